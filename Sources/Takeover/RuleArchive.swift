import Glibc
public import SystemPackage

/// The rules that were removed, on disk: for each place a script of its tool, and `SHA256SUMS` over them.
///
/// The scripts can be used by hand: `nft -f FILE`, `iptables-nft-restore --noflush FILE`.
public struct RuleArchive: Sendable {
    public let directory: FilePath

    public init(directory: FilePath) { self.directory = directory }

    private static let sums = "SHA256SUMS"

    /// Whether rules were removed and can be put back.
    public var exists: Bool { directory.appending(Self.sums).withPlatformString { access($0, F_OK) == 0 } }

    /// Where the rules of a place are.
    public func file(of place: RulePlace) -> FilePath { directory.appending(place.fileName) }

    /// Writes what puts these rules back. What is there of other places stays.
    public func save(_ rules: [FoundRules]) throws(TakeoverError) {
        var scripts = exists ? try read() : [:]
        for found in rules { scripts[found.place] = found.restoration }
        for path in [directory.removingLastComponent(), directory] {
            let status = path.withPlatformString { mkdir($0, 0o700) }
            guard status == 0 || errno == EEXIST else { throw Self.failure("create", path) }
        }
        var sums = ""
        for (place, script) in scripts.sorted(by: { $0.key.fileName < $1.key.fileName }) {
            try write(script, to: place.fileName)
            sums += "\(SHA256.text(of: script.utf8))  \(place.fileName)\n"
        }
        // Last: without it nothing was saved.
        try write(sums, to: Self.sums)
    }

    /// The scripts by place.
    ///
    /// - Throws: if one is missing, or is not what was written.
    public func read() throws(TakeoverError) -> [RulePlace: String] {
        var scripts: [RulePlace: String] = [:]
        for line in try text(of: Self.sums).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, let place = RulePlace.all.first(where: { $0.fileName == words[1] }) else {
                throw TakeoverError("use", "\(directory)/\(Self.sums)", cause: "a line of it is \"\(line)\"")
            }
            let script = try text(of: place.fileName)
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
    public func remove() throws(TakeoverError) {
        for name in [Self.sums] + RulePlace.all.map(\.fileName) {
            let path = directory.appending(name)
            guard path.withPlatformString({ unlink($0) }) == 0 || errno == ENOENT else {
                throw Self.failure("remove", path)
            }
        }
        guard directory.withPlatformString({ rmdir($0) }) == 0 || errno == ENOENT else {
            throw Self.failure("remove", directory)
        }
    }

    /// Under another name first, so that there is never half of it under its own; and on the disk before the rules go.
    private func write(_ text: String, to name: String) throws(TakeoverError) {
        let (path, draft) = (directory.appending(name), directory.appending(".\(name).draft"))
        do {
            let file = try FileDescriptor.open(
                draft, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
            try file.closeAfter {
                try file.writeAll(text.utf8)
                guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
        } catch {
            throw TakeoverError("write", "\(path)", cause: "\(error)", advice: "nothing was removed")
        }
        let status = draft.withPlatformString { from in path.withPlatformString { rename(from, $0) } }
        guard status == 0 else { throw Self.failure("write", path) }
    }

    private func text(of name: String) throws(TakeoverError) -> String {
        let path = directory.appending(name)
        var bytes: [UInt8] = []
        do {
            let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
            try file.closeAfter {
                var part = [UInt8](repeating: 0, count: 65_536)
                while true {
                    let count = try part.withUnsafeMutableBytes { try file.read(into: $0) }
                    guard count > 0 else { return }
                    bytes += part[..<count]
                }
            }
        } catch {
            throw TakeoverError("read", "\(path)", cause: "\(error)")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func failure(_ action: String, _ path: FilePath) -> TakeoverError {
        TakeoverError(action, "\(path)", cause: "\(Errno(rawValue: errno))")
    }
}
