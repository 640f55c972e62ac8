/// Why a text is no YAML or JSON.
package struct SyntaxError: Error, Hashable, Sendable {
    /// Counted from 1.
    package var line: Int?
    /// Counted from 1, in bytes; only JSON has one.
    package var column: Int?
    package var cause: String

    package init(line: Int? = nil, column: Int? = nil, cause: String) {
        self.line = line
        self.column = column
        self.cause = cause.oneLine(atMost: 300)
    }

    package var text: String {
        guard let line else { return cause }
        return column.map { "line \(line), column \($0): \(cause)" } ?? "line \(line): \(cause)"
    }
}
