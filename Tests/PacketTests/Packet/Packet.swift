import NetworkLab

/// A packet as a value: what a person says of it, not how it lies in memory.
///
/// Lengths and checksums are not part of it. Building writes the right ones; parsing recomputes every one of them over
/// all bytes, and what differs is kept as an error, so that two packets are equal only if their checksums are too.
struct Packet: Hashable, Sendable {
    /// Nil on devices without Ethernet, whose packets begin with the IP header.
    var ethernet: Ethernet?
    var ip: IPHeader
    var content: Content
    /// What follows the IP packet in its frame: Ethernet pads short frames.
    var trailer: [UInt8] = []

    /// What an IP packet carries.
    enum Content: Hashable, Sendable {
        case tcp(TCPSegment)
        case udp(UDPDatagram)
        case sctp(SCTPPacket)
        case icmp(ICMPMessage)
        /// A part of a fragmented packet, or a protocol that has no value of its own here.
        case bytes(ofProtocol: UInt8, [UInt8])
    }

    var family: Family { ip.family }

    /// The sender; port 0 if there is none to see.
    var source: SocketAddress {
        get { SocketAddress(address: ip.source, port: content.ports?.source ?? 0) }
        set {
            ip.source = newValue.address
            content.setPorts(source: newValue.port)
        }
    }

    /// The receiver; port 0 if there is none to see.
    var destination: SocketAddress {
        get { SocketAddress(address: ip.destination, port: content.ports?.destination ?? 0) }
        set {
            ip.destination = newValue.address
            content.setPorts(destination: newValue.port)
        }
    }
}

/// IPv4 and IPv6 come from one text, so each test runs for both.
enum Family: Int, CaseIterable, Sendable {
    case v4 = 4
    case v6 = 6

    init(of address: [UInt8]) { self = address.count == 4 ? .v4 : .v6 }

    var etherType: UInt16 { self == .v4 ? 0x0800 : 0x86dd }
    var icmpNumber: UInt8 { self == .v4 ? ProtocolNumber.icmp4 : ProtocolNumber.icmp6 }
}

/// Numbers in the protocol field of IPv4 and the next-header fields of IPv6.
enum ProtocolNumber {
    static let hopByHop: UInt8 = 0
    static let icmp4: UInt8 = 1
    static let tcp: UInt8 = 6
    static let udp: UInt8 = 17
    static let routing: UInt8 = 43
    static let fragment: UInt8 = 44
    static let icmp6: UInt8 = 58
    static let destinationOptions: UInt8 = 60
    static let sctp: UInt8 = 132

    static func name(_ number: UInt8) -> String {
        switch number {
        case icmp4, icmp6: "ICMP"
        case tcp: "TCP"
        case udp: "UDP"
        case sctp: "SCTP"
        default: "protocol \(number)"
        }
    }
}

/// An Ethernet header and its 802.1Q tags, the outer one first.
struct Ethernet: Hashable, Sendable {
    var destination: [UInt8]
    var source: [UInt8]
    var tags: [Tag] = []

    struct Tag: Hashable, Sendable {
        /// 0x88a8 for the outer one of two by the standard; many devices use 0x8100 for both.
        var type: UInt16 = 0x8100
        var vlan: UInt16
    }

    static let tagTypes: Set<UInt16> = [0x8100, 0x88a8]

    /// Addresses that tests use unless the packet crosses a real device.
    static let plain = Ethernet(destination: [2, 0, 0, 0, 0, 1], source: [2, 0, 0, 0, 0, 2])

    static func tagged(_ vlans: UInt16...) -> Ethernet {
        var header = plain
        header.tags = vlans.enumerated().map { Tag(type: $0 < vlans.count - 1 ? 0x88a8 : 0x8100, vlan: $1) }
        return header
    }
}

/// What IPv4 and IPv6 headers say.
struct IPHeader: Hashable, Sendable {
    var source: [UInt8]
    var destination: [UInt8]
    /// Time to live, or hop limit.
    var hops: UInt8 = 64
    /// Type of service, or traffic class.
    var trafficClass: UInt8 = 0
    /// Which part of a packet this is; nil if it is all of it. IPv6 has a header for it, which may also say that the
    /// packet is whole.
    var fragment: Fragment?

    // IPv4 only.
    var identification: UInt16 = 0
    var dontFragment = false
    /// A multiple of four bytes, at most forty.
    var options: [UInt8] = []
    /// What is wrong in the header checksum: 0 is right.
    var checksumError: UInt16 = 0

    // IPv6 only.
    var flowLabel: UInt32 = 0
    /// Headers before the fragment header, in order.
    var extensions: [Extension] = []

    var family: Family { Family(of: source) }

    struct Fragment: Hashable, Sendable {
        /// In bytes, a multiple of eight.
        var offset: Int
        var more: Bool
        /// IPv6 only; IPv4 has its identification in every packet.
        var identification: UInt32 = 0

        var isWhole: Bool { offset == 0 && !more }
    }

    /// An IPv6 extension header: hop-by-hop options, routing or destination options.
    struct Extension: Hashable, Sendable {
        var number: UInt8
        /// After the length byte: six bytes more than a multiple of eight.
        var body: [UInt8]

        static let numbers = [ProtocolNumber.hopByHop, ProtocolNumber.routing, ProtocolNumber.destinationOptions]

        /// Filled with one padding option.
        static func padded(_ number: UInt8, length: Int = 8) -> Extension {
            precondition(length % 8 == 0 && (8...256).contains(length), "an extension header is n times eight bytes")
            return Extension(number: number, body: [1, UInt8(length - 4)] + [UInt8](repeating: 0, count: length - 4))
        }

        /// A routing header with no segments left: the packet is where it should go.
        static let spentRouting = Extension(number: ProtocolNumber.routing, body: [0, 0] + [0, 0, 0, 0])
    }

    /// Whether the transport header is all here.
    var isWhole: Bool { fragment?.isWhole ?? true }
}
