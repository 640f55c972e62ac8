/// Rows of text in aligned columns, as kubectl prints them.
package struct Table {
    private let header: [String]
    private var rows: [[String]] = []

    package init(_ header: String...) { self.header = header }

    package mutating func add(_ cells: String...) { rows.append(cells) }

    /// The table, one line a row; cells may not hold line breaks.
    package var text: String { Self.aligned([header] + rows, gap: 3).joined(separator: "\n") }

    /// Rows of equally many cells, padded so that they stand in columns.
    package static func aligned(_ rows: [[String]], gap: Int) -> [String] {
        let columns = rows.first?.indices ?? 0..<0
        let widths = columns.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { cell, width in
                cell + String(repeating: " ", count: width - cell.count)
            }
            return cells.joined(separator: String(repeating: " ", count: gap)).trimmingSuffix(while: { $0 == " " })
        }
    }
}

extension String {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> String {
        var end = endIndex
        while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
        return String(self[..<end])
    }
}
