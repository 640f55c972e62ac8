import Glibc

/// Which devices a flag names: globs, of which those that begin with "!" take devices out again.
///
/// `eth*,!eth9` are all whose name begins with eth, but not eth9. The order does not matter.
package struct DevicePatterns: Hashable, Sendable {
    /// Those that name devices. There may be none beside such as take devices out.
    package let included: [String]
    /// Those that take devices out, without their "!".
    package let excluded: [String]

    /// No patterns.
    package init() { (included, excluded) = ([], []) }

    /// - Parameters:
    ///   - settings: what was given, each with one pattern or more, separated by commas.
    ///   - flag: the flag or key that they were given to, for messages.
    package init(_ settings: [String], flag: String) throws(DevicePatternError) {
        var included: [String] = []
        var excluded: [String] = []
        for part in settings.flatMap({ $0.split(separator: ",", omittingEmptySubsequences: false) }) {
            let written = part.filter { $0 != " " }
            let isExclusion = written.hasPrefix("!")
            let pattern = isExclusion ? String(written.dropFirst()) : written
            try Self.check(pattern, written, flag)
            if isExclusion { excluded.append(pattern) } else { included.append(pattern) }
        }
        self.included = included
        self.excluded = excluded
    }

    package var isEmpty: Bool { included.isEmpty && excluded.isEmpty }

    /// The pattern that names a device; the name itself rather than a glob.
    func inclusion(of name: String) -> String? { Self.first(in: included, for: name) }

    /// The pattern that takes a device out, whatever else names it.
    func exclusion(of name: String) -> String? { Self.first(in: excluded, for: name) }

    /// Patterns that name none of these devices; those that take devices out are not among them.
    package func unmatched(among names: [String]) -> [String] {
        included.filter { pattern in !names.contains { $0 == pattern || fnmatch(pattern, $0, 0) == 0 } }
    }

    private static func first(in patterns: [String], for name: String) -> String? {
        patterns.first { $0 == name } ?? patterns.first { fnmatch($0, name, 0) == 0 }
    }

    private static func check(_ pattern: String, _ written: String, _ flag: String) throws(DevicePatternError) {
        let problem: String? =
            if pattern.isEmpty {
                "it names nothing"
            } else if pattern.contains("!") {
                "\"!\" stands at the beginning only"
            } else if pattern.contains("/") {
                "no device has \"/\" in its name"
            } else if !pattern.contains(where: { "*?[".contains($0) }) && pattern.utf8.count >= IFNAMSIZ {
                "a device's name has \(IFNAMSIZ - 1) characters at most"
            } else {
                nil
            }
        guard let problem else { return }
        throw DevicePatternError(
            description: "cannot use \"\(written)\" of \(flag): \(problem); write names or globs like eth*,!eth9")
    }
}

/// A pattern that cannot be used: what it is, what is wrong and what to do.
package struct DevicePatternError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
}
