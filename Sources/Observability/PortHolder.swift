import FoundationEssentials
import Glibc
import SystemCalls
import SystemPackage

/// The process that listens on a port of this network namespace.
struct PortHolder: Sendable, Hashable, CustomStringConvertible {
    var pid: Int
    var name: String

    var description: String { "PID \(pid) (\(name))" }

    /// What holds an address.
    enum Finding: Sendable, Hashable {
        case process(PortHolder)
        /// A socket listens, and no process that is visible here has it.
        case outOfSight
        case nobody
    }

    /// Looks through the sockets of the network namespace and the descriptors of all processes; this reads much of
    /// /proc, so not on a thread that must not wait.
    static func find(_ address: ListenAddress) -> Finding {
        let inodes =
            listeners(in: "/proc/net/tcp", against: address) + listeners(in: "/proc/net/tcp6", against: address)
        guard !inodes.isEmpty else { return .nobody }
        return process(holding: Set(inodes.map { "socket:[\($0)]" })).map { .process($0) } ?? .outOfSight
    }

    /// The inodes of the listening sockets that an address would clash with.
    private static func listeners(in table: String, against address: ListenAddress) -> [Substring] {
        guard let text = try? SystemFile.text(of: FilePath(table)) else { return [] }
        return text.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            let listening = "0A"
            guard fields.count > 9, fields[3] == listening else { return nil }
            let parts = fields[1].split(separator: ":")
            guard parts.count == 2, UInt16(parts[1], radix: 16) == address.port else { return nil }
            let bytes = bytes(ofHex: parts[0])
            let clashes = address.isUnspecified || bytes.allSatisfy { $0 == 0 } || bytes == address.bytes
            return clashes ? fields[9] : nil
        }
    }

    /// The kernel prints an address as 32-bit numbers of the machine whose memory is the address as it is written.
    private static func bytes(ofHex text: Substring) -> [UInt8] {
        var (bytes, rest) = ([UInt8](), text)
        while !rest.isEmpty {
            withUnsafeBytes(of: UInt32(rest.prefix(8), radix: 16) ?? 0) { bytes += $0 }
            rest = rest.dropFirst(8)
        }
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        return bytes.starts(with: mapped) ? Array(bytes.dropFirst(mapped.count)) : bytes
    }

    private static func process(holding links: Set<String>) -> PortHolder? {
        for pid in entries(of: "/proc").compactMap(Int.init) {
            let directory = "/proc/\(pid)/fd"
            guard entries(of: directory).contains(where: { links.contains(destination(of: "\(directory)/\($0)")) })
            else { continue }
            let name = try? SystemFile.text(of: FilePath("/proc/\(pid)/comm"))
            return PortHolder(pid: pid, name: name?.split(separator: "\n").first.map(String.init) ?? "?")
        }
        return nil
    }

    /// Empty where there is none: a process may end while we look.
    private static func entries(of directory: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    }

    private static func destination(of link: String) -> String {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = readlink(link, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
    }
}
