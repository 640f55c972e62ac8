import ConnectBenchmark
import NetworkLab

/// What a packet costs in the programs at a node's device towards the network, by the kernel's test runs.
struct ProgramBenchmark {
    let rounds: Int
    /// Of one kind of packet in one round.
    let repeats: Int

    /// Flows that are begun in a row: then the table has room, and so have the ports of the node.
    private static let portion = 4_096

    /// A kind of packet on one node, and what its rounds gave.
    private struct Series {
        let lab: Int
        let packet: PacketKind
        let family: IPVersion
        /// Nanoseconds net of the program that it is compared with, one a round.
        var rounds: [Double] = []
    }

    /// Every kind of packet has a turn in each round, on every node and in both families.
    func run(_ labs: [PacketLab], progress: (Double) -> Void) throws -> [ProgramResult] {
        var series = labs.indices.flatMap { lab in
            PacketKind.measured.filter { $0 == .lookup || $0.isSentOn == labs[lab].redirects }.flatMap { packet in
                IPVersion.allCases.map { Series(lab: lab, packet: packet, family: $0) }
            }
        }
        for round in 0..<rounds {
            for index in InterleavedRounds.order(of: series.count, round: round) {
                if Interruption.isRequested { throw PacketBenchmarkError.interrupted }
                let lab = labs[series[index].lab]
                let (packet, family) = (series[index].packet, series[index].family)
                series[index].rounds.append(try lab.inside { try time(packet, family, on: lab) })
            }
            progress(Double(round + 1) / Double(rounds))
        }
        return labs.indices.flatMap { lab in
            results(series.filter { $0.lab == lab }, services: labs[lab].services.count, redirects: labs[lab].redirects)
        }
    }

    /// Of one node: all but the look-ups of the second node with as many Services.
    private func results(_ series: [Series], services: Int, redirects: Bool) -> [ProgramResult] {
        PacketKind.allCases.flatMap { packet in
            IPVersion.allCases.compactMap { family -> ProgramResult? in
                func rounds(_ packet: PacketKind) -> [Double]? {
                    series.first { $0.packet == packet && $0.family == family }?.rounds
                }
                guard let units = rounds(.lookup), !(packet == .lookup && redirects) else { return nil }
                let measured =
                    packet == .firstInAll
                    ? rounds(.first).flatMap { first in rounds(.firstDeparting).map { zip(first, $0).map(+) } }
                    : rounds(packet)
                guard let measured else { return nil }
                return ProgramResult(
                    packet: packet, family: family, services: services, nanoseconds: Statistics.median(measured),
                    lookups: Statistics.median(zip(measured, units).map { $0 / $1 }),
                    repeats: self.rounds * repeats)
            }
        }
    }

    /// One turn: the program, and right after it the one that does all but what is measured.
    private func time(_ packet: PacketKind, _ family: IPVersion, on lab: PacketLab) throws -> Double {
        LabThread.stayOnProcessor()
        if packet.isFirst { return try timeFirst(packet, family, lab) }
        let client = family.stranger(1, 2, port: 40_000)
        let frontend = lab.services.nodePort(family)
        let stranger = TCPFrame(.following, from: client, to: family.stranger(7, 7, port: 80))
        switch packet {
        case .lookup: return try lab.timeLookup(family, repeats: repeats)
        case .stranger: return try net(.wireIn, stranger, lab)
        case .strangerDeparting: return try net(.wireOut, stranger, lab)
        case .host:
            let node = SocketAddress(address: frontend.address, port: 22)
            return try net(.wireIn, TCPFrame(.following, from: client, to: node), lab)
        default: break
        }
        let flow = try Flow(from: client, to: frontend, on: lab)
        switch packet {
        case .requestDeparting:
            return try net(
                .undoAndWireOut, TCPFrame(.following, from: flow.inner, to: flow.endpoint), lab, noted: flow.number)
        case .reply, .replySentOn:
            return try net(.undoAndWireIn, TCPFrame(.following, from: flow.endpoint, to: flow.seen), lab)
        case .replyDeparting:
            return try net(
                .undoAndWireOut, TCPFrame(.following, from: flow.endpoint, to: flow.inner), lab, noted: flow.number)
        default:
            return try net(.undoAndWireIn, TCPFrame(.following, from: client, to: frontend), lab)
        }
    }

    /// First packets, each from a client that was never there. With room, the table is emptied before each portion.
    private func timeFirst(_ packet: PacketKind, _ family: IPVersion, _ lab: PacketLab) throws -> Double {
        // A network of their own: one after the other has each address of it.
        let stranger = family.stranger(3, 0, port: 0)
        let opening = TCPFrame(.opening, from: stranger, to: lab.services.nodePort(family))
        let isFull = packet == .firstWhenFull
        if isFull {
            let clients = lab.newClients(lab.mostFlows, family)
            _ = try lab.time(.undoAndWireIn, opening, repeats: lab.mostFlows, from: clients)
        }
        var (left, sum) = (repeats, 0.0)
        while left > 0 {
            let count = isFull ? left : min(left, Self.portion)
            let clients = lab.newClients(count, family)
            if !isFull { try lab.forgetFlows(family) }
            let before = try lab.counters()
            if packet == .firstDeparting {
                _ = try lab.time(.undoAndWireIn, opening, repeats: count, from: clients)
                let endpoint = PacketLab.endpoints(family)[0]
                let inner = TCPFrame(.opening, from: stranger, to: endpoint)
                // The table was empty: the flows have their places in a row.
                let flow = try lab.flow(from: inner.source(ofClient: clients), to: endpoint)
                sum +=
                    try net(.undoAndWireOut, inner, lab, repeats: count, from: clients, noted: flow) * Double(count)
            } else {
                sum += try net(.undoAndWireIn, opening, lab, repeats: count, from: clients) * Double(count)
            }
            let counted = try lab.counters().merging(before) { $0 - $1 }.filter { $0.value > 0 }
            guard counted["flow_begun"] == UInt64(count) else {
                throw PacketBenchmarkError("not every one of \(count) first packets began a flow: \(counted)")
            }
            left -= count
        }
        return sum / Double(repeats)
    }

    /// The time of a program, less that of the one that does all but what is measured.
    private func net(
        _ program: PacketLab.Program, _ frame: TCPFrame, _ lab: PacketLab, repeats: Int? = nil,
        from first: UInt32? = nil, noted flow: UInt32? = nil
    ) throws -> Double {
        let repeats = repeats ?? self.repeats
        let measured = try lab.time(program, frame, repeats: repeats, from: first, noted: flow)
        let isTranslated = program.isRepeated
        let expected = isTranslated && lab.redirects ? TrafficControl.redirect : TrafficControl.passOn
        let (source, destination) = TCPFrame.ends(of: measured.packet)
        // The last client's address is not the frame's.
        let isChanged =
            destination != frame.destination || (first == nil ? source != frame.source : program.isDeparture)
        guard measured.action == expected, isTranslated == isChanged else {
            throw PacketBenchmarkError(
                "\(frame.source) → \(frame.destination) became \(source) → \(destination), action \(measured.action)")
        }
        let base: PacketLab.Program = isTranslated ? .undo : .nothing
        let rest = try lab.time(base, frame, repeats: repeats, from: first, noted: flow)
        return measured.nanoseconds - rest.nanoseconds
    }
}

/// A flow that is established on a node, by a packet in each direction.
private struct Flow {
    /// The client as the kernel sees it, and as the endpoint does.
    let inner: SocketAddress
    let seen: SocketAddress
    let endpoint: SocketAddress
    /// Nil where it is sent on, and departs past the programs.
    let number: UInt32?

    init(from client: SocketAddress, to frontend: SocketAddress, on lab: PacketLab) throws {
        let arrived = TCPFrame.ends(of: try lab.pass(TCPFrame(.opening, from: client, to: frontend)))
        var departed = arrived
        if !lab.redirects {
            departed = TCPFrame.ends(
                of: try lab.pass(TCPFrame(.opening, from: arrived.source, to: arrived.destination), .wireOut))
        }
        (inner, seen, endpoint) = (arrived.source, departed.source, departed.destination)
        number = lab.redirects ? nil : try lab.flow(from: inner, to: endpoint)
        var back = TCPFrame.ends(of: try lab.pass(TCPFrame(.answering, from: endpoint, to: seen)))
        if !lab.redirects {
            back = TCPFrame.ends(
                of: try lab.pass(TCPFrame(.answering, from: back.source, to: back.destination), .wireOut))
        }
        guard back == (frontend, client) else {
            throw PacketBenchmarkError(
                "a reply to \(client) by \(frontend) became \(back.source) → \(back.destination)")
        }
        _ = try lab.pass(TCPFrame(.following, from: client, to: frontend))
    }
}

/// What a program at tc can tell the kernel to do.
private enum TrafficControl {
    static let passOn: Int32 = -1  // TC_ACT_UNSPEC
    static let redirect: Int32 = 7  // TC_ACT_REDIRECT
}
