import SystemCalls
import SystemPackage

/// The TCP ports on which sockets of this network namespace listen, whatever their addresses.
package struct ListeningPorts {
    private(set) var ports: Set<UInt16> = []
    private var rest: [UInt8] = []
    private var isPastHeading = false

    /// Reads two files of /proc, as far as they tell of sockets that listen: those come first, before connections of which
    /// there may be hundreds of thousands. Empty where they cannot be read.
    package static func tcp() -> Set<UInt16> {
        ["/proc/net/tcp", "/proc/net/tcp6"].reduce(into: []) { all, path in
            var ports = ListeningPorts()
            try? SystemFile.read(FilePath(path)) { ports.take($0) }
            all.formUnion(ports.ports)
        }
    }

    /// Takes a part of such a file: `0: 0100007F:0016 00000000:0000 0A …`, where 0A means that a socket listens.
    ///
    /// - Returns: whether more of them may follow.
    mutating func take(_ part: ArraySlice<UInt8>) -> Bool {
        rest += part
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: rest[..<end], as: UTF8.self)
            rest.removeSubrange(...end)
            guard isPastHeading else {
                isPastHeading = true
                continue
            }
            let fields = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: true)
            guard fields.count > 3, fields[3] == "0A" else { return false }
            if let port = fields[1].split(separator: ":").last.flatMap({ UInt16($0, radix: 16) }) { ports.insert(port) }
        }
        return true
    }
}
