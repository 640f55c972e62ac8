import Glibc
package import ManifestDirectory

/// Which directories of the cgroup hierarchy: `kubepods*/**/pod0b5e*`, from the served cgroup downwards.
///
/// A part may have the shell's `*`, `?` and `[…]`, none of which stands for a `/`; a part `**` stands for any number of
/// directories, also for none. A backslash is itself, as in the names that systemd makes.
package struct CgroupPattern: Sendable, Hashable, CustomStringConvertible {
    private let parts: [String]

    package init(setting: String) throws(SettingMistake) {
        var text = setting[...]
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        guard !text.hasPrefix("/sys/") else {
            throw SettingMistake("write it from the served cgroup downwards, without what is above that")
        }
        guard !text.contains("{"), !text.contains("}") else {
            throw SettingMistake("braces are not known; write a pattern for each of them")
        }
        while text.hasPrefix("/") { text.removeFirst() }
        while text.hasSuffix("/") { text.removeLast() }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard !parts.isEmpty, !parts.contains(where: { ["", ".", ".."].contains($0) }) else {
            throw SettingMistake("write patterns like kubepods.slice/*,system.slice/istio*")
        }
        guard parts.contains(where: { $0 != "**" }) else {
            throw SettingMistake("this is every cgroup; write --socket-lb=off instead")
        }
        self.parts = parts
    }

    /// Patterns separated by commas; an empty text is none.
    package static func list(setting: String) throws(SettingMistake) -> [CgroupPattern] {
        var patterns: [CgroupPattern] = []
        for text in setting.split(separator: ",") { patterns.append(try CgroupPattern(setting: String(text))) }
        return patterns
    }

    package var description: String { parts.joined(separator: "/") }

    /// How far a path of directories has come in a pattern.
    package struct Progress: Sendable, Hashable {
        package let pattern: CgroupPattern
        /// Of the parts that the next directory may be.
        fileprivate let places: Set<Int>

        /// The whole pattern is behind us: the directory that the path leads to is one of those that are meant.
        package var isMatch: Bool { places.contains(pattern.parts.count) }

        /// Nil: nothing below a directory of this name is meant either.
        package func entering(_ name: String) -> Progress? {
            var next: Set<Int> = []
            for place in places where place < pattern.parts.count {
                let part = pattern.parts[place]
                if part == "**" {
                    next.insert(place)
                } else if fnmatch(part, name, FNM_NOESCAPE) == 0 {
                    next.insert(place + 1)
                }
            }
            return next.isEmpty ? nil : Progress(pattern: pattern, places: pattern.closure(of: next))
        }
    }

    /// At the served cgroup.
    package var start: Progress { Progress(pattern: self, places: closure(of: [0])) }

    /// A part `**` may be left out.
    private func closure(of places: Set<Int>) -> Set<Int> {
        var all = places
        for var place in places {
            while place < parts.count, parts[place] == "**" {
                place += 1
                all.insert(place)
            }
        }
        return all
    }
}
