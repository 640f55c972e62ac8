struct TCPSegment: Hashable, Sendable {
    var sourcePort: UInt16
    var destinationPort: UInt16
    var sequence: UInt32 = 1_000
    var acknowledgement: UInt32 = 0
    var flags: Flags = .syn
    var window: UInt16 = 64_240
    var urgent: UInt16 = 0
    /// A multiple of four bytes, at most forty.
    var options: [UInt8] = []
    var payload: [UInt8] = []
    /// What is wrong in the checksum: 0 is right.
    var checksumError: UInt16 = 0

    struct Flags: OptionSet, Hashable, Sendable {
        var rawValue: UInt8

        static let fin = Flags(rawValue: 0x01)
        static let syn = Flags(rawValue: 0x02)
        static let reset = Flags(rawValue: 0x04)
        static let push = Flags(rawValue: 0x08)
        static let ack = Flags(rawValue: 0x10)
        static let urgent = Flags(rawValue: 0x20)
        static let echo = Flags(rawValue: 0x40)
        static let reduced = Flags(rawValue: 0x80)

        /// As tcpdump writes them: `S.` is SYN and ACK.
        var text: String {
            let letters: [(Flags, String)] = [
                (.syn, "S"), (.fin, "F"), (.reset, "R"), (.push, "P"), (.urgent, "U"), (.echo, "E"), (.reduced, "W"),
                (.ack, "."),
            ]
            return letters.filter { contains($0.0) }.map(\.1).joined()
        }
    }

    /// Maximum segment size 1460, SACK, window scale 7: what a SYN has.
    static let synOptions: [UInt8] = [2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]
}

struct UDPDatagram: Hashable, Sendable {
    var sourcePort: UInt16
    var destinationPort: UInt16
    var payload: [UInt8] = []
    /// False: the checksum field is zero, which IPv4 allows.
    var hasChecksum = true
    var checksumError: UInt16 = 0
}

struct SCTPPacket: Hashable, Sendable {
    var sourcePort: UInt16
    var destinationPort: UInt16
    var verificationTag: UInt32 = 0
    var chunks: [UInt8]
    /// Exclusive or of what is there and what should be there.
    var checksumError: UInt32 = 0

    /// INIT with the smallest contents.
    static let initChunk: [UInt8] = [
        1, 0, 0, 20, 0, 0, 0, 7, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9,
    ]
}

struct ICMPMessage: Hashable, Sendable {
    var type: UInt8
    var code: UInt8
    /// The four bytes after the checksum: an MTU, or an echo's identifier and number.
    var rest: UInt32 = 0
    /// An error's is the packet that it is about, or the start of it.
    var body: [UInt8] = []
    var checksumError: UInt16 = 0

    /// The identifier of an echo.
    var identifier: UInt16 { UInt16(rest >> 16) }
}

extension Packet.Content {
    /// The ports, if this has a transport header.
    var ports: (source: UInt16, destination: UInt16)? {
        switch self {
        case .tcp(let segment): (segment.sourcePort, segment.destinationPort)
        case .udp(let datagram): (datagram.sourcePort, datagram.destinationPort)
        case .sctp(let packet): (packet.sourcePort, packet.destinationPort)
        case .icmp, .bytes: nil
        }
    }

    /// Changes the given ports; what has none stays as it is.
    mutating func setPorts(source: UInt16? = nil, destination: UInt16? = nil) {
        switch self {
        case .tcp(var segment):
            segment.sourcePort = source ?? segment.sourcePort
            segment.destinationPort = destination ?? segment.destinationPort
            self = .tcp(segment)
        case .udp(var datagram):
            datagram.sourcePort = source ?? datagram.sourcePort
            datagram.destinationPort = destination ?? datagram.destinationPort
            self = .udp(datagram)
        case .sctp(var packet):
            packet.sourcePort = source ?? packet.sourcePort
            packet.destinationPort = destination ?? packet.destinationPort
            self = .sctp(packet)
        case .icmp, .bytes: return
        }
    }

    func protocolNumber(_ family: Family) -> UInt8 {
        switch self {
        case .tcp: ProtocolNumber.tcp
        case .udp: ProtocolNumber.udp
        case .sctp: ProtocolNumber.sctp
        case .icmp: family.icmpNumber
        case .bytes(let number, _): number
        }
    }
}
