import FoundationEssentials

extension CompileReport {
    /// The report for tools, as docs/compile.md describes it: keys sorted, one value a line.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
