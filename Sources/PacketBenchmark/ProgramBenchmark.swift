import ConnectBenchmark
import NetworkLab

/// What a packet costs in the program at a node's device towards the network, by the kernel's test runs.
struct ProgramBenchmark {
    let rounds: Int
    /// Of one kind of packet in one round.
    let repeats: Int

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
            PacketKind.allCases.flatMap { packet in
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
        return series.map { series in
            ProgramResult(
                packet: series.packet, family: series.family, services: labs[series.lab].services.count,
                nanoseconds: Statistics.median(series.rounds), repeats: rounds * repeats)
        }
    }

    /// One turn: the program, and right after it the one that does all but what is measured.
    private func time(_ packet: PacketKind, _ family: IPVersion, on lab: PacketLab) throws -> Double {
        LabThread.stayOnProcessor()
        let client = family.stranger(1, 2, port: 40_000)
        let frontend = lab.services.nodePort(family)
        switch packet {
        case .stranger:
            return try net(
                .wireIn, .nothing, TCPFrame(.following, from: client, to: family.stranger(7, 7, port: 80)), lab)
        case .host:
            let node = SocketAddress(address: frontend.address, port: 22)
            return try net(.wireIn, .nothing, TCPFrame(.following, from: client, to: node), lab)
        case .request:
            _ = try establish(from: client, to: frontend, lab)
            return try net(.undoAndWireIn, .undo, TCPFrame(.following, from: client, to: frontend), lab)
        case .reply:
            let (node, endpoint) = try establish(from: client, to: frontend, lab)
            return try net(.undoAndWireIn, .undo, TCPFrame(.following, from: endpoint, to: node), lab)
        case .first, .firstWhenFull:
            // A network of their own: one after the other has each address of it.
            let opening = TCPFrame(.opening, from: family.stranger(3, 0, port: 0), to: frontend)
            return try timeFirst(opening, intoFullTable: packet == .firstWhenFull, lab)
        }
    }

    /// With room, the table is emptied before it is half full.
    private func timeFirst(_ opening: TCPFrame, intoFullTable isFull: Bool, _ lab: PacketLab) throws -> Double {
        if isFull { _ = try lab.time(.undoAndWireIn, opening, repeats: lab.mostFlows, isNewClient: true) }
        let portion = isFull ? repeats : lab.mostFlows / 2
        var (left, sum) = (repeats, 0.0)
        while left > 0 {
            let count = min(left, portion)
            if !isFull { try lab.forgetFlows(opening.family) }
            let before = try lab.counters()
            let nanoseconds = try net(.undoAndWireIn, .undo, opening, lab, repeats: count, isNewClient: true)
            let counted = try lab.counters().merging(before) { $0 - $1 }.filter { $0.value > 0 }
            guard counted["flow_begun"] == UInt64(count) else {
                throw PacketBenchmarkError("not every one of \(count) first packets began a flow: \(counted)")
            }
            sum += nanoseconds * Double(count)
            left -= count
        }
        return sum / Double(repeats)
    }

    private func net(
        _ program: PacketLab.Program, _ base: PacketLab.Program, _ frame: TCPFrame, _ lab: PacketLab,
        repeats: Int? = nil, isNewClient: Bool = false
    ) throws -> Double {
        let repeats = repeats ?? self.repeats
        let measured = try lab.time(program, frame, repeats: repeats, isNewClient: isNewClient)
        let expected = program == .undoAndWireIn ? TrafficControl.redirect : TrafficControl.passOn
        guard measured.action == expected else {
            throw PacketBenchmarkError(
                "\(frame.source) → \(frame.destination): the program says \(measured.action), not \(expected)")
        }
        return measured.nanoseconds
            - (try lab.time(base, frame, repeats: repeats, isNewClient: isNewClient)).nanoseconds
    }

    /// Begins a flow, or keeps it alive, by a packet in each direction; tells its ends behind the node.
    private func establish(
        from client: SocketAddress, to frontend: SocketAddress, _ lab: PacketLab
    ) throws -> (node: SocketAddress, endpoint: SocketAddress) {
        let (node, endpoint) = TCPFrame.ends(of: try lab.pass(TCPFrame(.opening, from: client, to: frontend)))
        let back = TCPFrame.ends(of: try lab.pass(TCPFrame(.answering, from: endpoint, to: node)))
        guard back == (frontend, client) else {
            throw PacketBenchmarkError(
                "a reply to \(client) by \(frontend) became \(back.source) → \(back.destination)")
        }
        return (node, endpoint)
    }
}

/// What a program at tc can tell the kernel to do.
private enum TrafficControl {
    static let passOn: Int32 = -1  // TC_ACT_UNSPEC
    static let redirect: Int32 = 7  // TC_ACT_REDIRECT
}

/// What a packet is to the programs.
package enum PacketKind: String, CaseIterable, Codable, Sendable {
    /// Between others, which the node forwards.
    case stranger
    /// To a port of the node that is no NodePort.
    case host
    /// Of a known flow, from the client.
    case request
    /// Of a known flow, from the backend.
    case reply
    /// A client's SYN, while there is room for flows.
    case first
    /// A client's SYN, for which the oldest flow has to go.
    case firstWhenFull
}
