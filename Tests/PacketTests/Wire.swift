import Glibc
import NetworkLab
import Testing

/// A veth pair between two namespaces of our own: at one end raw frames go in and come out, at the other the kernel
/// takes them for what they are.
///
/// The far end has 192.0.2.1 and 2001:db8::1, and knows the senders 192.0.2.9 and 2001:db8::9 as its neighbours.
struct Wire: ~Copyable {
    let near: NetworkNamespace
    let far: NetworkNamespace
    private let frames: Descriptor
    let ethernet: Ethernet

    init() throws {
        let near = try NetworkNamespace("near")
        let far = try NetworkNamespace("far")
        // The near end is nobody's address: it neither answers nor asks.
        try near.set("ipv6/conf/all/disable_ipv6", to: "1")
        try near.connect("w0", to: far, "w1")
        let ethernet = Ethernet(
            destination: try Self.hardwareAddress(of: "w1", in: far),
            source: try Self.hardwareAddress(of: "w0", in: near))
        try far.completeChecksums(of: "w1")
        let text = ethernet.source.map { String($0, radix: 16) }.joined(separator: ":")
        try far.ip(lines: [
            "address add 192.0.2.1/24 dev w1", "address add 2001:db8::1/64 dev w1 nodad",
            "neighbour add 192.0.2.9 lladdr \(text) dev w1 nud permanent",
            "neighbour add 2001:db8::9 lladdr \(text) dev w1 nud permanent",
        ])
        frames = try near.run { try Self.openFrames(on: "w0") }
        self.near = near
        self.far = far
        self.ethernet = ethernet
    }

    private static func hardwareAddress(
        of device: String, in namespace: borrowing NetworkNamespace
    ) throws -> [UInt8] {
        let words = try namespace.ip("-o", "link", "show", device).split(separator: " ")
        let place = try #require(words.firstIndex(of: "link/ether"))
        return words[place + 1].split(separator: ":").compactMap { UInt8($0, radix: 16) }
    }

    /// A socket that sees every frame of a device, and sends frames as they are.
    private static func openFrames(on device: String) throws -> Descriptor {
        let every = UInt16(0x0003).bigEndian  // ETH_P_ALL
        let raw = socket(AF_PACKET, CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue), CInt(every))
        guard raw >= 0 else { throw SocketError("socket", errno) }
        let descriptor = Descriptor(adopting: raw)
        var address = [UInt8](repeating: 0, count: 20)  // sockaddr_ll, which Glibc's module leaves out
        address.withUnsafeMutableBytes {
            $0.storeBytes(of: sa_family_t(AF_PACKET), as: sa_family_t.self)
            $0.storeBytes(of: every, toByteOffset: 2, as: UInt16.self)
            $0.storeBytes(of: if_nametoindex(device), toByteOffset: 4, as: UInt32.self)
        }
        let status = address.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { bind(raw, $0.baseAddress, socklen_t(bytes.count)) }
        }
        guard status == 0 else { throw SocketError("bind", errno) }
        return descriptor
    }

    /// Puts a packet on the wire with the wire's hardware addresses; tags and the rest stay.
    func send(_ packet: Packet) throws {
        var packet = packet
        packet.ethernet?.destination = ethernet.destination
        packet.ethernet?.source = ethernet.source
        let bytes = packet.bytes
        guard Glibc.send(frames.rawValue, bytes, bytes.count, 0) == bytes.count else {
            throw SocketError("send", errno)
        }
    }

    /// The next IP packet that the far end sends and that is wanted.
    func receive(where isWanted: (Packet) -> Bool = { _ in true }) throws -> Packet {
        while frames.isReadable(within: 2_000) {
            let bytes = try frames.read()
            guard Array(bytes[6..<12]) == ethernet.destination, let packet = try? Packet(bytes) else { continue }
            if isWanted(packet) { return packet }
        }
        throw SocketError("receive", ETIMEDOUT)
    }

    /// A UDP socket at the far end.
    func datagrams(on address: SocketAddress) throws -> Socket {
        try far.run {
            let socket = try Socket.bound(.udp, to: address, nonblocking: false)
            try socket.setTimeout(milliseconds: 2_000)
            return socket
        }
    }
}

extension Family {
    /// The near end's address on the wire, and the far end's.
    var near: SocketAddress { self == .v4 ? "192.0.2.9:4000" : "[2001:db8::9]:4000" }
    var far: SocketAddress { self == .v4 ? "192.0.2.1:8080" : "[2001:db8::1]:8080" }
}
