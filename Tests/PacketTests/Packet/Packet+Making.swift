import NetworkLab

/// The transport protocols that a Service may have.
enum Transport: String, CaseIterable, Sendable {
    case tcp, udp, sctp

    var number: UInt8 {
        switch self {
        case .tcp: ProtocolNumber.tcp
        case .udp: ProtocolNumber.udp
        case .sctp: ProtocolNumber.sctp
        }
    }
}

extension Packet {
    private init(_ source: SocketAddress, _ destination: SocketAddress, _ content: Content) {
        ethernet = .plain
        ip = IPHeader(source: source.address, destination: destination.address)
        self.content = content
    }

    static func tcp(
        _ source: SocketAddress, _ destination: SocketAddress, _ flags: TCPSegment.Flags = .syn,
        payload: [UInt8] = []
    ) -> Packet {
        var segment = TCPSegment(sourcePort: source.port, destinationPort: destination.port, flags: flags)
        if flags.contains(.syn) { segment.options = TCPSegment.synOptions }
        segment.payload = payload
        return Packet(source, destination, .tcp(segment))
    }

    static func udp(_ source: SocketAddress, _ destination: SocketAddress, payload: [UInt8] = [1, 2, 3]) -> Packet {
        let datagram = UDPDatagram(sourcePort: source.port, destinationPort: destination.port, payload: payload)
        return Packet(source, destination, .udp(datagram))
    }

    static func sctp(
        _ source: SocketAddress, _ destination: SocketAddress, chunks: [UInt8] = SCTPPacket.initChunk
    ) -> Packet {
        let packet = SCTPPacket(sourcePort: source.port, destinationPort: destination.port, chunks: chunks)
        return Packet(source, destination, .sctp(packet))
    }

    /// The first packet of a flow.
    static func first(_ transport: Transport, _ source: SocketAddress, _ destination: SocketAddress) -> Packet {
        switch transport {
        case .tcp: .tcp(source, destination)
        case .udp: .udp(source, destination)
        case .sctp: .sctp(source, destination)
        }
    }

    /// An echo request; the addresses' ports do not matter.
    static func echo(_ source: SocketAddress, _ destination: SocketAddress, identifier: UInt16 = 9) -> Packet {
        let type: UInt8 = source.isV4 ? 8 : 128
        let message = ICMPMessage(type: type, code: 0, rest: UInt32(identifier) << 16 | 1, body: [1, 2, 3, 4])
        return Packet(source, destination, .icmp(message))
    }

    /// An ICMP error that `sender` sends about a packet to whom that packet came from.
    ///
    /// - Parameter length: how many bytes of the packet it quotes; IPv4 routers may send eight after the header only.
    static func error(
        _ reason: ICMPReason, from sender: SocketAddress, about packet: Packet, quoting length: Int = 512
    ) -> Packet {
        var inner = packet
        (inner.ethernet, inner.trailer) = (nil, [])
        var message = reason.message(packet.family)
        message.body = Array(inner.bytes.prefix(length))
        return Packet(sender, SocketAddress(address: packet.ip.source, port: 0), .icmp(message))
    }

    /// What the receiver of this packet could answer: addresses and ports are exchanged.
    func reply(_ flags: TCPSegment.Flags = [.syn, .ack], payload: [UInt8] = []) -> Packet {
        switch content {
        case .udp: .udp(destination, source, payload: payload)
        case .sctp: .sctp(destination, source, chunks: [2, 0, 0, 4])
        default: .tcp(destination, source, flags, payload: payload)
        }
    }

    /// The same packet with other addresses, ports or hops: a translation, as it should be.
    func changing(
        source: SocketAddress? = nil, destination: SocketAddress? = nil, hops: UInt8? = nil
    ) -> Packet {
        var changed = self
        if let source { changed.source = source }
        if let destination { changed.destination = destination }
        if let hops { changed.ip.hops = hops }
        return changed
    }

    /// The same packet as a device without Ethernet carries it.
    var withoutEthernet: Packet {
        var bare = self
        bare.ethernet = nil
        return bare
    }
}

/// Why an ICMP error is sent, in the numbers of both families.
enum ICMPReason: Hashable, Sendable {
    case portUnreachable
    case hostUnreachable
    case prohibited
    case tooBig(mtu: UInt16)
    case timeExceeded

    func message(_ family: Family) -> ICMPMessage {
        let v4 = family == .v4
        return switch self {
        case .portUnreachable: ICMPMessage(type: v4 ? 3 : 1, code: v4 ? 3 : 4)
        case .hostUnreachable: ICMPMessage(type: v4 ? 3 : 1, code: v4 ? 1 : 3)
        case .prohibited: ICMPMessage(type: v4 ? 3 : 1, code: v4 ? 13 : 1)
        case .tooBig(let mtu): ICMPMessage(type: v4 ? 3 : 2, code: v4 ? 4 : 0, rest: UInt32(mtu))
        case .timeExceeded: ICMPMessage(type: v4 ? 11 : 3, code: 0)
        }
    }
}
