import Glibc

/// Numbers and columns as tables and plots show them.
package enum Format {
    /// `17.6 µs`.
    package static func microseconds(_ nanoseconds: UInt64) -> String {
        let microseconds = Double(nanoseconds) / 1_000
        return fixed(microseconds, microseconds < 100 ? 1 : 0) + " µs"
    }

    static func nanoseconds(_ value: Double) -> String { fixed(value, 0) + " ns" }

    package static func ratio(_ value: Double) -> String { fixed(value, 3) }

    package static func fixed(_ value: Double, _ digits: Int) -> String {
        withVaList([CInt(digits), value]) { arguments in
            // The largest double has 309 digits before the point.
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 400) { buffer in
                let length = buffer.withMemoryRebound(to: CChar.self) {
                    vsnprintf($0.baseAddress, $0.count, "%.*f", arguments)
                }
                return String(decoding: buffer.prefix(Int(max(0, length))), as: UTF8.self)
            }
        }
    }

    /// `10,000`.
    package static func count(_ value: Int) -> String {
        let digits = String(value)
        return String(
            digits.enumerated().flatMap { index, digit -> [Character] in
                index > 0 && (digits.count - index) % 3 == 0 ? [",", digit] : [digit]
            })
    }

    static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// The first column to the left, the others to the right, two blanks between.
    package static func columns(_ rows: [[String]]) -> [String] {
        let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let blank = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + blank : blank + cell
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}
