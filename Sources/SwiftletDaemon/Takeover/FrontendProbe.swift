import DatapathInstall
import Glibc
import Observability
package import ServiceModel
import SystemPackage
import Takeover
import SystemCalls

/// Connects to frontends below the cgroup that is served, and asks the kernel where the sockets are connected to.
///
/// No packet is sent: a UDP socket sends none to connect, and a TCP socket that is being repaired is connected without.
/// Rules for packets have no part in the answer: only a hook can have changed the address.
package enum FrontendProbe {
    /// What a socket is to be connected to: `TCP/10.96.0.1/443`.
    package struct Target: Sendable, Hashable, CustomStringConvertible {
        package var address: IPAddress
        package var port: UInt16
        package var proto: IPProtocol

        package init(address: IPAddress, port: UInt16, proto: IPProtocol) {
            self.address = address
            self.port = port
            self.proto = proto
        }

        package init?(_ text: String) {
            let parts = text.split(separator: "/")
            guard parts.count == 3, let proto = IPProtocol(String(parts[0])), let address = IPAddress(parts[1]),
                let port = UInt16(parts[2])
            else { return nil }
            self.init(address: address, port: port, proto: proto)
        }

        package var description: String { "\(proto)/\(address)/\(port)" }
    }

    package enum Outcome: Sendable, Hashable {
        /// Where the socket is connected to in truth.
        case connected(IPAddress, port: UInt16)
        /// ECONNREFUSED, or what stands for it on old kernels.
        case refused
        case failed(String)
    }

    /// Runs the probes in a process of their own: this program's `probe-frontends` joins the cgroup and connects.
    static func run(_ targets: [Target], cgroup: FilePath) -> [Outcome] {
        let child = cgroup.appending("swiftlet-probe-\(getpid())")
        guard child.withPlatformString({ mkdir($0, 0o755) }) == 0 else {
            let cause = Errno.last
            let text = "cannot create \(child): \(cause.plainText); \(cause.remedy(or: "run as root"))"
            return targets.map { _ in .failed(text) }
        }
        defer { _ = child.withPlatformString { rmdir($0) } }
        let arguments = ["swiftlet", "probe-frontends", "--cgroup", child.string] + targets.map(\.description)
        do throws(TakeoverError) {
            let run = try ToolRun("/proc/self/exe", arguments, within: 60)
            let lines = run.output.split(separator: "\n").map { Outcome(line: $0) }
            guard lines.count == targets.count else {
                return targets.map { _ in .failed("the probe ended early: \(run.complaint)") }
            }
            return lines
        } catch {
            return targets.map { _ in .failed("\(error)") }
        }
    }

    /// The child's part, in the cgroup already: one connect.
    package static func connect(to target: Target) -> Outcome {
        let family = target.address.family == .v4 ? AF_INET : AF_INET6
        let kind = target.proto == .udp ? SOCK_DGRAM : SOCK_STREAM
        let descriptor = socket(family, Int32(kind.rawValue), 0)
        guard descriptor >= 0 else { return .failed("cannot open a socket: \(Errno.last.plainText)") }
        defer { close(descriptor) }
        if target.proto == .tcp {
            let repair = 19
            var isOn: Int32 = 1
            let status = setsockopt(
                descriptor, Int32(IPPROTO_TCP), Int32(repair), &isOn, socklen_t(MemoryLayout<Int32>.size))
            guard status == 0 else { return .failed("cannot use TCP_REPAIR: \(Errno.last.plainText)") }
        }
        let error = target.address.withSocketAddress(port: target.port) {
            Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno
        }
        guard error == 0 else {
            return error == ECONNREFUSED ? .refused : .failed("\(Errno(rawValue: error))")
        }
        guard let peer = SocketTable.peer(of: descriptor, target.proto, target.address.family) else {
            return .failed("the kernel does not list the socket")
        }
        // Below kernel 6.1 the hook sends a socket that it refuses to port 0 of loopback instead.
        return peer.port == 0 ? .refused : .connected(peer.address, port: peer.port)
    }
}

extension FrontendProbe.Outcome: CustomStringConvertible {
    /// One line, which `init(line:)` reads.
    package var description: String {
        switch self {
        case .connected(let address, let port): "connected \(address) \(port)"
        case .refused: "refused"
        case .failed(let cause): "failed \(cause)"
        }
    }

    init(line: Substring) {
        let words = line.split(separator: " ", maxSplits: 1)
        let rest = words.count > 1 ? words[1].split(separator: " ") : []
        if words.first == "refused" {
            self = .refused
        } else if words.first == "connected", rest.count == 2, let address = IPAddress(rest[0]),
            let port = UInt16(rest[1])
        {
            self = .connected(address, port: port)
        } else {
            self = .failed(words.count > 1 ? String(words[1]) : String(line))
        }
    }
}

/// The kernel's own lists of sockets, which no hook can change: `getpeername` shows the frontend again.
private enum SocketTable {
    static func peer(
        of descriptor: Int32, _ proto: IPProtocol, _ family: IPFamily
    ) -> (address: IPAddress, port: UInt16)? {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        let name = (proto == .udp ? "udp" : "tcp") + (family == .v6 ? "6" : "")
        for line in ((try? SystemFile.text(of: FilePath("/proc/self/net/\(name)"))) ?? "").split(separator: "\n")
            .dropFirst()
        {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count > 9, UInt64(fields[9]) == UInt64(status.st_ino) else { continue }
            let parts = fields[2].split(separator: ":")
            guard parts.count == 2, let port = UInt16(parts[1], radix: 16), let address = address(ofHex: parts[0])
            else { return nil }
            return (address, port)
        }
        return nil
    }

    /// The kernel prints an address as 32-bit numbers of the machine whose memory is the address as it is written.
    private static func address(ofHex text: Substring) -> IPAddress? {
        var (bytes, rest) = ([UInt8](), text)
        while !rest.isEmpty {
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            withUnsafeBytes(of: word) { bytes += $0 }
            rest = rest.dropFirst(8)
        }
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: return IPAddress(v4: UInt32(number(0..<4)))
        case 16: return IPAddress(v6: number(0..<8), number(8..<16))
        default: return nil
        }
    }
}
