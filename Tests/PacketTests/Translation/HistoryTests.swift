import CDatapath
import NetworkLab
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    /// Random histories of flows and of connections that are no Service's, over few addresses and ports, so that they
    /// want each other's tuples all the time. What must hold is nf_conntrack's rule: a tuple has one owner. So no two
    /// that live are the same to an endpoint, each packet comes out as its connection's first one did, and answers reach
    /// the end that asked, from where it asked.
    @Suite("Histories of flows and bystanders")
    struct HistoryTests {
        /// Steps of each history; `SWIFTLET_FUZZ_RUNS` says another number.
        private static let steps = FuzzRun.count

        @Test(
            "each connection keeps its endpoint and gets its own answers", arguments: TranslationLab.Programs.allCases,
            Family.allCases)
        func histories(programs: TranslationLab.Programs, family: Family) throws {
            for seed in 1...3 as ClosedRange<UInt64> { try history(programs, family, seed) }
        }

        private func history(_ programs: TranslationLab.Programs, _ family: Family, _ seed: UInt64) throws {
            // Short, so that a machine that was just started is older than they are.
            let lab = try TranslationLab(programs) {
                ($0.tcp_seconds, $0.tcp_new_seconds, $0.tcp_close_wait_seconds) = (100, 100, 100)
                ($0.tcp_closing_seconds, $0.tcp_reset_seconds) = (100, 100)
                ($0.udp_seconds, $0.udp_stream_seconds) = (100, 100)
            }
            for (transport, isLocal) in [(Transport.tcp, false), (.tcp, true), (.udp, false), (.udp, true)] {
                var history = History(
                    lab, family, transport, isLocal: isLocal, isNoted: programs == .noted, seed: seed)
                try history.run(Self.steps)
            }
        }
    }
}

/// A connection, by what its first packet says and how that came out.
private struct Connection {
    enum Kind: CaseIterable {
        /// Of a client outside, to a frontend.
        case service
        /// Of a client outside, to an endpoint itself.
        case direct
        /// Of the node, or of a pod behind its address, to an endpoint itself.
        case node
    }

    var kind: Kind
    var origin: SocketAddress
    var target: SocketAddress
    /// The origin, as the kernel forwards it and as the endpoint sees it.
    var inner: SocketAddress
    var seen: SocketAddress
    var backend: SocketAddress
    var isAnswered = false

    func isSame(_ kind: Kind, _ origin: SocketAddress, _ target: SocketAddress) -> Bool {
        self.kind == kind && self.origin == origin && self.target == target
    }
}

private struct History {
    private let lab: TranslationLab
    private let family: Family
    private let transport: Transport
    private let isLocal: Bool
    private let isNoted: Bool
    private let service: TestService
    private static let besideEndpoints = [
        "10.244.1.250", "10.244.2.250", "fd00:10:244:1::fa", "fd00:10:244:2::fa",
    ].compactMap(IPAddress.init)

    private var random: SeededGenerator
    private var living: [Connection] = []
    /// Those that ended by time: nothing is left of them.
    private var dead: [Connection] = []

    init(
        _ lab: TranslationLab, _ family: Family, _ transport: Transport, isLocal: Bool, isNoted: Bool, seed: UInt64
    ) {
        (self.lab, self.family, self.transport) = (lab, family, transport)
        (self.isLocal, self.isNoted) = (isLocal, isNoted)
        service = TestService(
            transport: transport, local: isLocal ? [11, 12] : [], remote: isLocal ? [] : [11, 12]
        ) { service in
            // Half of the histories have frontends beside the endpoints, so that all that go there are looked up.
            if seed.isMultiple(of: 2) { service.externalIPs += Self.besideEndpoints }
        }
        random = SeededGenerator(seed: seed)
    }

    mutating func run(_ steps: Int) throws {
        try lab.serve([service])
        for _ in 0..<steps {
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<7: try begin()
            case 7..<11: try ask()
            case 11..<16: try answer()
            case 16..<18: try end()
            case 18: try comeLate()
            default: try pass(seconds: Bool.random(using: &random) ? 5 : 150)
            }
        }
    }

    // MARK: Steps

    private mutating func begin() throws {
        let kinds: [Connection.Kind] = isLocal ? [.service, .direct] : Connection.Kind.allCases
        let kind = kinds.randomElement(using: &random) ?? .service
        let (origin, target) = (origin(kind), target(kind))
        if living.contains(where: { $0.isSame(kind, origin, target) }) { return }
        if kind == .service, !keepsOlder, living.contains(where: { $0.kind == .direct && $0.origin == origin }) {
            return
        }
        let first = Packet.first(transport, origin, target)
        guard let (inner, outer) = try forwardFirst(first, kind) else {
            Issue.record("\(first) was not forwarded\(text)")
            return
        }
        let connection = Connection(
            kind: kind, origin: origin, target: target, inner: inner.source, seen: outer.source,
            backend: outer.destination)
        #expect(endpoints.contains(connection.backend), "\(first) went elsewhere\(text)")
        #expect(kind == .service || connection.backend == target, "\(first) was taken for another's\(text)")
        expectEqual(outer, first.changing(source: connection.seen, destination: connection.backend))
        let owner = living.first { $0.seen == connection.seen && $0.backend == connection.backend }
        #expect(owner == nil, "two are the same to \(connection.backend)\(text)")
        if kind != .service { expectNeeded(connection) }
        living.append(connection)
        dead.removeAll { $0.origin == origin }
    }

    /// Takes a first packet to the endpoint. If that knows the tuple of a client's older connection, it says so, and the
    /// client asks again (RFC 9293 3.10.7.4).
    private func forwardFirst(_ first: Packet, _ kind: Connection.Kind) throws -> (inner: Packet, outer: Packet)? {
        guard let (inner, outer) = try forward(first, kind) else { return nil }
        let older = living.first {
            $0.kind == .direct && $0.seen == outer.source && $0.backend == outer.destination
        }
        guard kind == .service, let older else { return (inner, outer) }
        try receive(.tcp(older.backend, older.seen, .ack), older)
        return try forward(first, kind)
    }

    /// Whether a client's connection straight to an endpoint may be older than a flow from the same port although the
    /// kernel tracks nothing, on TCP: a local endpoint tells, and the note on a packet of a masqueraded flow. A datagram
    /// may always be a first one.
    private var keepsOlder: Bool { transport == .tcp && (isNoted || isLocal) }

    /// A bystander stays as it is, unless a flow has its ports.
    private func expectNeeded(_ connection: Connection) {
        guard connection.seen != connection.origin else { return }
        let clash = living.contains {
            $0.backend == connection.backend && ($0.seen == connection.origin || $0.inner == connection.origin)
        }
        #expect(clash, "\(connection.origin) to \(connection.target) got another port for nothing\(text)")
    }

    private mutating func ask() throws {
        guard let connection = living.randomElement(using: &random) else { return }
        try send(packet(of: connection, .ack), connection)
    }

    private mutating func answer() throws {
        guard let index = living.indices.randomElement(using: &random) else { return }
        let connection = living[index]
        try receive(.tcp(connection.backend, connection.seen, connection.isAnswered ? .ack : [.syn, .ack]), connection)
        // The handshake is done, as far as this flow is concerned.
        if !connection.isAnswered { try send(packet(of: connection, .ack), connection) }
        living[index].isAnswered = true
    }

    /// Both ends say FIN, or one of them RST. What has no end but its time-out lives on.
    private mutating func end() throws {
        guard transport == .tcp, let index = living.indices.randomElement(using: &random) else { return }
        let connection = living[index]
        guard connection.isAnswered else { return }
        switch Int.random(in: 0..<3, using: &random) {
        case 0: try send(packet(of: connection, [.reset, .ack]), connection)
        case 1: try receive(.tcp(connection.backend, connection.seen, [.reset, .ack]), connection)
        default:
            try send(packet(of: connection, [.fin, .ack]), connection)
            try receive(.tcp(connection.backend, connection.seen, [.fin, .ack]), connection)
        }
        living.remove(at: index)
    }

    /// What is left of a connection that is over, on its way while the flow ended: it is nobody's.
    private mutating func comeLate() throws {
        guard transport == .tcp, let connection = dead.randomElement(using: &random) else { return }
        let isTaken = living.contains {
            $0.backend == connection.backend && ($0.seen == connection.seen || $0.inner == connection.seen)
                || $0.origin == connection.origin
        }
        guard !isTaken else { return }
        let late = Packet.tcp(connection.backend, connection.seen, [.push, .ack], payload: [1])
        expectUntouched(try lab.run(late, .wireIn).bytes, late.bytes, "an answer\(text)")
        guard connection.kind != .node else { return }
        let asked = packet(of: connection, [.push, .ack])
        expectUntouched(try lab.run(asked, .wireIn).bytes, asked.bytes, "a request\(text)")
    }

    private mutating func pass(seconds: UInt64) throws {
        try lab.ageFlows(family, seconds: seconds)
        guard seconds > 100 else {
            // What still lives has a packet, so that several such steps end nothing.
            for connection in living { try send(packet(of: connection, .ack), connection) }
            return
        }
        dead = living
        living = []
    }

    // MARK: Packets

    private func packet(of connection: Connection, _ flags: TCPSegment.Flags) -> Packet {
        let payload: [UInt8] = [1, 2, 3]
        return transport == .tcp
            ? .tcp(connection.origin, connection.target, flags, payload: payload)
            : .udp(connection.origin, connection.target, payload: payload)
    }

    private func send(_ packet: Packet, _ connection: Connection) throws {
        guard let (_, outer) = try forward(packet, connection.kind) else {
            Issue.record("\(packet) was not forwarded\(text)")
            return
        }
        expectEqual(outer, packet.changing(source: connection.seen, destination: connection.backend))
    }

    /// An answer of the endpoint; what it says as TCP it says by UDP too.
    private func receive(_ segment: Packet, _ connection: Connection) throws {
        let answer = transport == .tcp ? segment : .udp(segment.source, segment.destination)
        var verdict = try lab.run(answer, isLocal ? .podIn : .wireIn)
        if connection.kind != .node {
            verdict = try lab.run(verdict, .wireOut, arrival: isLocal ? .pod0 : .eth0)
        }
        let packet = try verdict.packet
        expectEqual(packet, answer.changing(source: connection.target, destination: connection.origin))
    }

    /// Takes a packet through the node to the endpoint: as the kernel sees it, and as it departs.
    private func forward(_ packet: Packet, _ kind: Connection.Kind) throws -> (inner: Packet, outer: Packet)? {
        if kind == .node {
            let departed = try lab.run(packet, .wireOut)
            // To the node's own next hop, where another port means another packet.
            guard departed.action == .passOn || departed.action == .redirect else { return nil }
            return (packet, try departed.packet)
        }
        let arrived = try lab.run(packet, .wireIn)
        guard arrived.action == .passOn else { return nil }
        if isLocal { return try (arrived.packet, arrived.packet) }
        let departed = try lab.run(arrived, .wireOut, arrival: .eth0)
        guard departed.action == .passOn else { return nil }
        return try (arrived.packet, departed.packet)
    }

    // MARK: Choices

    private var endpoints: [SocketAddress] { [11, 12].map { service.endpoint($0, isLocal: isLocal, family) } }

    private mutating func origin(_ kind: Connection.Kind) -> SocketAddress {
        guard kind == .node else {
            return family.outside(
                Int.random(in: 2...3, using: &random), port: [40_000, 40_001].randomElement(using: &random) ?? 0)
        }
        // The port of a flow, or one that no flow takes.
        let taken = living.filter { $0.kind == .service }.map(\.seen.port)
        let port = Bool.random(using: &random) ? taken.randomElement(using: &random) : nil
        return SocketAddress(
            address: family.node.address, port: port ?? [40_000, 40_001].randomElement(using: &random) ?? 0)
    }

    private mutating func target(_ kind: Connection.Kind) -> SocketAddress {
        guard kind == .service else { return endpoints.randomElement(using: &random) ?? endpoints[0] }
        let doors: [TestService.Door] = [.nodePort, .loadBalancer, .externalIP]
        return service.frontend(doors.randomElement(using: &random) ?? .nodePort, family)
    }

    /// What lives, for a message.
    private var text: String {
        "; living: "
            + living.map { "\($0.kind) \($0.origin) → \($0.target): \($0.seen) → \($0.backend)" }
            .joined(separator: ", ")
    }
}
