import CSelect
import NetworkLab

/// A TCP segment in an Ethernet frame, as long as the test programs want it. Its checksums are wrong: a program that
/// only corrects them by a difference does not look.
struct TCPFrame {
    enum Kind: UInt8 {
        case opening = 0x02  // SYN
        case answering = 0x12  // SYN, ACK
        case following = 0x10  // ACK
    }

    static let length = Int(PACKET_ORIGINAL_MAX)
    private static let ethernet = 14

    let source: SocketAddress
    let destination: SocketAddress
    let kind: Kind

    init(_ kind: Kind, from source: SocketAddress, to destination: SocketAddress) {
        self.kind = kind
        self.source = source
        self.destination = destination
    }

    var family: IPVersion { source.isV4 ? .v4 : .v6 }

    /// Where the last two bytes of the sender's address and its port stand.
    var sourceOffsets: (address: Int, port: Int) {
        source.isV4 ? (Self.ethernet + 14, Self.ethernet + 20) : (Self.ethernet + 22, Self.ethernet + 40)
    }

    /// The sender where the test programs have written a client's number into the frame.
    func source(ofClient number: UInt32) -> SocketAddress {
        SocketAddress(
            address: source.address.dropLast(2) + Self.big(UInt16(number >> 16)),
            port: UInt16(truncatingIfNeeded: number))
    }

    var bytes: [UInt8] {
        let type: [UInt8] = source.isV4 ? [0x08, 0x00] : [0x86, 0xdd]
        let header = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2] + type + ip + tcp
        return header + [UInt8](repeating: 0, count: Self.length - header.count)
    }

    private var ip: [UInt8] {
        let rest = Self.length - Self.ethernet
        if source.isV4 {
            return [0x45, 0, 0, UInt8(rest), 0, 1, 0x40, 0, 64, 6, 0, 0] + source.address + destination.address
        }
        return [0x60, 0, 0, 0, 0, UInt8(rest - 40), 6, 64] + source.address + destination.address
    }

    private var tcp: [UInt8] {
        Self.big(source.port) + Self.big(destination.port) + [0, 0, 0, 1, 0, 0, 0, 1, 0x50, kind.rawValue, 0xff, 0xff]
            + [0, 0, 0, 0]
    }

    private static func big(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xff)] }

    /// Source and destination of a frame, as a program left it.
    static func ends(of bytes: [UInt8]) -> (source: SocketAddress, destination: SocketAddress) {
        let isV4 = bytes[12] == 0x08
        let size = isV4 ? 4 : 16
        let first = ethernet + (isV4 ? 12 : 8)
        let ports = ethernet + (isV4 ? 20 : 40)
        func end(_ number: Int) -> SocketAddress {
            let start = first + number * size
            let port = UInt16(bytes[ports + 2 * number]) << 8 | UInt16(bytes[ports + 2 * number + 1])
            return SocketAddress(address: Array(bytes[start..<start + size]), port: port)
        }
        return (end(0), end(1))
    }
}
