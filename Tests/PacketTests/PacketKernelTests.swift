import NetworkLab
import TestKit
import Testing

/// What we build, real sockets take; what the kernel sends, we can read.
@Suite("Packets and the kernel", .tags(.kernel), .serialized, .enabled(if: Kernel.canLoadPrograms, Kernel.reason))
struct PacketKernelTests {
    @Test("a socket receives built datagrams, and none with a wrong checksum", arguments: Family.allCases)
    func delivers(family: Family) throws {
        let wire = try Wire()
        let socket = try wire.datagrams(on: family.far)
        for (number, packet) in try datagrams(family).enumerated() {
            var corrupt = packet
            corrupt.spoil()
            try wire.send(corrupt)
            var marked = packet
            marked.setPayload([UInt8(number)])
            try wire.send(marked)
            let (bytes, source) = try socket.receive()
            #expect(bytes == [UInt8(number)], "\(packet): the corrupt one must not come through")
            #expect(source == family.near)
        }
    }

    /// Datagrams with everything around them that the kernel accepts.
    private func datagrams(_ family: Family) throws -> [Packet] {
        let plain = Packet.udp(family.near, family.far)
        var special = plain
        switch family {
        case .v4:
            special.ip.options = [1, 1, 1, 0]
            special.ip.dontFragment = true
        case .v6:
            special.ip.extensions = [
                .padded(ProtocolNumber.hopByHop), .spentRouting, .padded(ProtocolNumber.destinationOptions),
            ]
            special.ip.fragment = IPHeader.Fragment(offset: 0, more: false, identification: 5)
        }
        var padded = plain
        padded.trailer = [UInt8](repeating: 0xaa, count: 20)
        return [plain, special, padded]
    }

    @Test("a datagram without checksum arrives over IPv4 only", arguments: Family.allCases)
    func deliversUnchecked(family: Family) throws {
        let wire = try Wire()
        let socket = try wire.datagrams(on: family.far)
        var packet = Packet.udp(family.near, family.far, payload: [1])
        guard case .udp(var datagram) = packet.content else { return }
        datagram.hasChecksum = false
        packet.content = .udp(datagram)
        try wire.send(packet)
        try wire.send(.udp(family.near, family.far, payload: [2]))
        #expect(try socket.receive().bytes == (family == .v4 ? [1] : [2]))
    }

    @Test("a socket receives fragments out of order as one datagram", arguments: Family.allCases)
    func reassembles(family: Family) throws {
        let wire = try Wire()
        let socket = try wire.datagrams(on: family.far)
        let payload = (0..<1_900).map { UInt8(truncatingIfNeeded: $0) }
        let parts = Packet.udp(family.near, family.far, payload: payload).fragments(of: 640)
        for part in parts.reversed() { try wire.send(part) }
        #expect(try socket.receive().bytes == payload)
    }

    @Test("a listener answers a built SYN, and nobody's port refuses it", arguments: Family.allCases)
    func connects(family: Family) throws {
        let wire = try Wire()
        let listener = try wire.far.run { try Socket.bound(.tcp, to: family.far) }
        let syn = Packet.tcp(family.near, family.far)
        try wire.send(syn)
        let answer = try wire.receive { $0.source == family.far }
        guard case .tcp(let segment) = answer.content else {
            Issue.record("\(answer)")
            return
        }
        #expect(segment.flags == [.syn, .ack])
        #expect(segment.acknowledgement == 1_001)
        #expect(segment.checksumError == 0)
        #expect(answer.ip.checksumError == 0)
        #expect(answer.destination == family.near)

        let closed = SocketAddress(address: family.far.address, port: 81)
        try wire.send(.tcp(family.near, closed))
        let refusal = try wire.receive { $0.source == closed }
        var expected = Packet.tcp(closed, family.near, [.reset, .ack])
        if case .tcp(var reset) = expected.content {
            (reset.sequence, reset.acknowledgement, reset.window) = (0, 1_001, 0)
            expected.content = .tcp(reset)
        }
        (expected.ethernet, expected.ip.identification) = (refusal.ethernet, refusal.ip.identification)
        (expected.ip.dontFragment, expected.ip.flowLabel) = (refusal.ip.dontFragment, refusal.ip.flowLabel)
        expectEqual(refusal, expected)
        _ = consume listener
    }

    @Test("echoes and errors of the kernel are what we would build", arguments: Family.allCases)
    func agreesOnICMP(family: Family) throws {
        let wire = try Wire()
        try wire.send(.echo(family.near, family.far))
        let answer = try wire.receive { $0.content.isICMP(type: family == .v4 ? 0 : 129) }
        var expected = Packet.echo(SocketAddress(address: family.far.address, port: 0), family.near)
        if case .icmp(var message) = expected.content {
            message.type = family == .v4 ? 0 : 129
            expected.content = .icmp(message)
        }
        expectEqual(answer, expected.framed(as: answer))

        let closed = SocketAddress(address: family.far.address, port: 81)
        let question = Packet.udp(family.near, closed)
        try wire.send(question)
        let refusal = try wire.receive { $0.content.isICMP(type: family == .v4 ? 3 : 1) }
        let error = Packet.error(.portUnreachable, from: family.far, about: question)
        expectEqual(refusal, error.framed(as: refusal))
        if case .icmp(let message) = refusal.content {
            let quoted = try #require(message.quoted(family))
            #expect(quoted.source == family.near)
            #expect(quoted.destination == closed)
        }
    }
}

extension Packet {
    /// The same packet with what the kernel chooses freely taken from another one.
    fileprivate func framed(as other: Packet) -> Packet {
        var packet = self
        (packet.ethernet, packet.trailer) = (other.ethernet, other.trailer)
        (packet.ip.identification, packet.ip.dontFragment) = (other.ip.identification, other.ip.dontFragment)
        (packet.ip.flowLabel, packet.ip.trafficClass) = (other.ip.flowLabel, other.ip.trafficClass)
        return packet
    }

    /// Makes the transport checksum wrong.
    fileprivate mutating func spoil() {
        guard case .udp(var datagram) = content else { return }
        datagram.checksumError = 0x0101
        content = .udp(datagram)
    }

    fileprivate mutating func setPayload(_ payload: [UInt8]) {
        guard case .udp(var datagram) = content else { return }
        datagram.payload = payload
        content = .udp(datagram)
    }
}

extension Packet.Content {
    fileprivate func isICMP(type: UInt8) -> Bool {
        if case .icmp(let message) = self { message.type == type } else { false }
    }
}
