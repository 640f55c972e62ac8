/// Rows of text in aligned columns, as kubectl prints them.
package struct Table {
    private static let gap = 3
    /// No column is cut below this, or below its title.
    private static let narrowest = 8

    private let header: [String]
    private var rows: [[String]] = []
    /// Where lines would be too long for a terminal, the last cell of a row stands below it, in full.
    package var hangsLast = false
    /// Columns of lists, `a,b,c`, that are cut between two items, and never within the first one.
    package var lists: Set<Int> = []

    package init(_ header: String...) { self.header = header }

    package init(_ header: [String]) { self.header = header }

    package mutating func add(_ cells: String...) { rows.append(cells) }

    /// A row of as many cells as there are titles.
    package mutating func add(row: [String]) { rows.append(row) }

    /// The table, one line a row; cells may not hold line breaks.
    package var text: String { text(fitting: nil) }

    /// The same cut to a terminal.
    ///
    /// - Parameter width: in columns; nil cuts nothing.
    package func text(fitting width: Int?) -> String {
        let widths = widths(fitting: width)
        let head = Self.aligned([header], gap: Self.gap, widths: widths)[0]
        return rows.isEmpty ? head : "\(head)\n\(rows(in: widths))"
    }

    /// The rows alone, in columns of widths that `widths` gave, for a table that grows.
    package func rows(in widths: [Int]) -> String {
        zip(Self.aligned(rows, gap: Self.gap, widths: widths, lists: lists), rows).map { line, row in
            guard widths.count < row.count, let last = row.last, !last.isEmpty else { return line }
            return "\(line)\n    \(last)"
        }.joined(separator: "\n")
    }

    /// How wide each column is, but for the last where that hangs. The widest are cut first, until all fit or are as narrow as they may be.
    package func widths(fitting width: Int?) -> [Int] {
        var widths = Self.natural([header] + rows)
        guard let width else { return widths }
        func excessOfAll() -> Int { widths.reduce(0, +) + Self.gap * max(widths.count - 1, 0) - width }
        if hangsLast, excessOfAll() > 0 { widths.removeLast() }
        var excess = excessOfAll()
        let least = header.indices.map { column in
            let items = lists.contains(column) ? rows.map { Self.firstItem(of: $0[column]) } : []
            return max(header[column].count, Self.narrowest, items.max() ?? 0)
        }
        while excess > 0 {
            let cuttable = widths.indices.filter { widths[$0] > least[$0] }
            guard let widest = cuttable.max(by: { widths[$0] < widths[$1] }) else { break }
            // Down to the next one, which is then cut as well.
            let next = cuttable.filter { $0 != widest }.map { widths[$0] }.max() ?? 0
            let step = min(excess, max(widths[widest] - max(next, least[widest]), 1))
            widths[widest] -= step
            excess -= step
        }
        return widths
    }

    /// Rows of equally many cells, padded so that they stand in columns.
    package static func aligned(_ rows: [[String]], gap: Int) -> [String] {
        aligned(rows, gap: gap, widths: natural(rows))
    }

    /// How wide the first item of a list is, with the mark of what follows.
    private static func firstItem(of cell: String) -> Int {
        cell.firstIndex(of: ",").map { cell[..<$0].count + 2 } ?? cell.count
    }

    /// `10.96.0.1:80/TCP,…`, where there is room for a whole item.
    private static func cut(_ cell: String, to width: Int, isList: Bool) -> Substring {
        let shown = cell.prefix(max(width - 1, 0))
        guard isList, let comma = shown.lastIndex(of: ",") else { return shown + "…" }
        return shown[...comma] + "…"
    }

    private static func natural(_ rows: [[String]]) -> [Int] {
        (rows.first?.indices ?? 0..<0).map { column in rows.map { $0[column].count }.max() ?? 0 }
    }

    private static func aligned(
        _ rows: [[String]], gap: Int, widths: [Int], lists: Set<Int> = []
    ) -> [String] {
        rows.map { row in
            let cells = zip(row, widths).enumerated().map { column, cell in
                let (cell, width) = cell
                let isList = lists.contains(column)
                let shown = cell.count > width ? cut(cell, to: width, isList: isList) : cell[...]
                return shown + String(repeating: " ", count: max(width - shown.count, 0))
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
