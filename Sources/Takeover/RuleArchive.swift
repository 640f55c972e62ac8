import Glibc
package import SystemPackage
import SystemCalls

/// The rules that were removed, on disk: for each place a script of its tool, and `SHA256SUMS` over them.
///
/// The scripts can be used by hand: `nft -f FILE`, `iptables-nft-restore --noflush FILE`. Root runs them, so no
/// other user may be able to change them: directory and files are the caller's own, and no link is followed.
package struct RuleArchive: Sendable {
    package let directory: FilePath

    package init(directory: FilePath) { self.directory = directory }

    private static let sums = "SHA256SUMS"

    /// Whether rules were removed and can be put back. Another user than root cannot look, and has to take it for granted.
    package var exists: Bool {
        directory.appending(Self.sums).withPlatformString { access($0, F_OK) == 0 } || errno == EACCES
    }

    /// Where the rules of a place are.
    package func file(of place: RulePlace) -> FilePath { directory.appending(place.fileName) }

    /// Writes what puts these rules back. What is there of other places stays.
    ///
    /// - Returns: what was there before, for `restore`.
    package func save(_ rules: [FoundRules]) throws(TakeoverError) -> [RulePlace: String] {
        let before = exists ? try read() : [:]
        var scripts = before
        for found in rules { scripts[found.place] = found.restoration }
        try write(scripts)
        return before
    }

    /// Makes the archive what it was before it was saved to.
    package func restore(_ scripts: [RulePlace: String]) throws(TakeoverError) {
        if scripts.isEmpty { return try remove() }
        try write(scripts)
    }

    private func write(_ scripts: [RulePlace: String]) throws(TakeoverError) {
        let folder = try OwnDirectory(making: directory)
        var sums = ""
        for (place, script) in scripts.sorted(by: { $0.key.fileName < $1.key.fileName }) {
            try folder.write(script, to: place.fileName)
            sums += "\(SHA256.text(of: script.utf8))  \(place.fileName)\n"
        }
        // Last: without it nothing was saved.
        try folder.write(sums, to: Self.sums)
        for place in RulePlace.all where scripts[place] == nil { try folder.remove(place.fileName) }
    }

    /// The scripts by place.
    ///
    /// - Throws: if one is missing, or is not what was written.
    package func read() throws(TakeoverError) -> [RulePlace: String] {
        let folder = try OwnDirectory(directory)
        var scripts: [RulePlace: String] = [:]
        for line in try folder.text(of: Self.sums).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, let place = RulePlace.all.first(where: { $0.fileName == words[1] }) else {
                throw TakeoverError("use", "\(directory)/\(Self.sums)", cause: "a line of it is \"\(line)\"")
            }
            let script = try folder.text(of: place.fileName)
            guard SHA256.text(of: script.utf8) == words[0] else {
                throw TakeoverError(
                    "use", "\(file(of: place))", cause: "it is not as it was written: its checksum is another",
                    advice: "start kube-proxy, which writes its rules anew")
            }
            scripts[place] = script
        }
        return scripts
    }

    /// Forgets the rules.
    package func remove() throws(TakeoverError) {
        let folder = try OwnDirectory(directory)
        for name in [Self.sums] + RulePlace.all.map(\.fileName) { try folder.remove(name) }
        guard directory.withPlatformString({ rmdir($0) }) == 0 || errno == ENOENT else {
            throw TakeoverError("remove", "\(directory)", cause: "\(Errno.last.plainText)")
        }
    }
}
