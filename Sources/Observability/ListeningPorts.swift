import SystemCalls
import SystemPackage

/// The TCP ports on which sockets of this network namespace listen, whatever their addresses.
package enum ListeningPorts {
    /// Reads two files of /proc, which takes a millisecond for some thousand sockets. Empty where they cannot be read.
    package static func tcp() -> Set<UInt16> {
        ["/proc/net/tcp", "/proc/net/tcp6"].reduce(into: []) {
            $0.formUnion(read((try? SystemFile.text(of: FilePath($1))) ?? ""))
        }
    }

    /// Reads such a file: `0: 0100007F:0016 00000000:0000 0A …`, where 0A means that a socket listens.
    static func read(_ text: String) -> Set<UInt16> {
        Set(
            text.split(separator: "\n").dropFirst().compactMap { line in
                let fields = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: true)
                guard fields.count > 3, fields[3] == "0A" else { return nil }
                return fields[1].split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
            })
    }
}
