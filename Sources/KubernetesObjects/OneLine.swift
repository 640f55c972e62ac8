extension String {
    /// The text as a part of a message: on one line, with invisible characters and those that move a cursor escaped, and
    /// a long one without its middle.
    ///
    /// Messages quote what was read, which may be anything: each error makes its parts of this, so a report is one line
    /// in a log, and what a file holds cannot fill a terminal or write on it.
    package func oneLine(atMost limit: Int = 400) -> String {
        if utf8.count <= limit && utf8.allSatisfy({ (0x20..<0x7f).contains($0) }) { return self }
        let start = visible(unicodeScalars.prefix(limit + 1))
        if start.count <= limit { return String(start) }
        // The end says what the quoted text is not, and is as telling as the beginning.
        let end = visible(unicodeScalars.suffix(limit / 3))
        return "\(Substring(start.prefix(limit - limit / 3 - 1)))…\(Substring(end.suffix(limit / 3)))"
    }
}

/// What is not printed as itself is written as Swift writes it.
private func visible(_ scalars: Substring.UnicodeScalarView) -> String.UnicodeScalarView {
    var result = String.UnicodeScalarView()
    for scalar in scalars {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
            result.append(contentsOf: scalar.escaped(asASCII: true).unicodeScalars)
        default: result.append(scalar)
        }
    }
    return result
}
