import CReference

/// A table of docs/reference.md, as `swiftlet help counters|logs|settings` prints it on the node.
///
/// The page itself is in the program, so that there is one text.
enum Reference: String, CaseIterable {
    case counters, logs, settings

    /// The heading that the table stands below, and the title of its first column.
    private var place: (heading: String, title: String) {
        switch self {
        case .counters: ("## Counters", "counter")
        case .logs: ("## Log lines", "level")
        case .settings: ("## Settings", "flag")
        }
    }

    /// Cells without marks of Markdown, the titles first; empty if the page has no such table.
    var rows: [[String]] {
        let page = Self.page.split(separator: "\n", omittingEmptySubsequences: false)
        let section = page.drop { $0 != place.heading }.dropFirst().prefix { !$0.hasPrefix("## ") }
        let table = section.drop { !$0.hasPrefix("| \(place.title) ") }.prefix { $0.hasPrefix("|") }
        return table.enumerated().filter { $0.offset != 1 }.map { Self.cells(of: $0.element) }
    }

    /// Each row as a head and what is said of it, in lines of at most so many columns.
    ///
    /// - Parameter word: only the rows whose head has it, in whatever case; nil for all.
    func text(width: Int, of word: String? = nil) -> String {
        guard let titles = rows.first else { return "" }
        let wanted = word?.lowercased()
        let shown = rows.dropFirst().filter { row in
            wanted.map { row.prefix(self == .logs ? 2 : 1).joined(separator: " ").lowercased().contains($0) } ?? true
        }
        return shown.map { row in
            let heads = self == .logs ? 2 : 1
            var lines = [row.prefix(heads).joined(separator: "  ")]
            for (title, cell) in zip(titles, row).dropFirst(heads) where !cell.isEmpty && cell != "–" {
                let isMeaning = title.hasPrefix("meaning")
                lines += Self.wrapped(isMeaning ? cell : "\(title): \(cell)", width: max(width - 4, 20)).map {
                    "    \($0)"
                }
            }
            return lines.joined(separator: "\n")
        }.joined(separator: "\n")
    }

    private static var page: String {
        let text = swiftlet_reference_text()
        return String(decoding: UnsafeBufferPointer(start: text.start, count: text.size), as: UTF8.self)
    }

    /// `| a | b \| c |` → `a`, `b | c`.
    static func cells(of line: Substring) -> [String] {
        var cells = [""]
        var isEscaped = false
        for character in line.dropFirst() {
            if character == "|" && !isEscaped {
                cells.append("")
            } else if character != "\\" || isEscaped {
                cells[cells.count - 1].append(character)
            }
            isEscaped = character == "\\" && !isEscaped
        }
        return cells.dropLast().map { plain($0) }
    }

    /// Without blanks at its ends, quotes of code, stars, and the targets of links.
    private static func plain(_ cell: String) -> String {
        cell.replacing(#/\[([^\]]*)\]\([^)]*\)/#) { "\($0.1)" }.replacing("**", with: "").replacing("`", with: "")
            .trimmingPrefix { $0 == " " }.reversed().drop { $0 == " " }.reversed().map(String.init).joined()
    }

    private static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
