import NetworkLab

/// Compares what clients met with what was right at that time, and counts.
struct SoakJudge {
    /// Where a client is.
    enum Place: String, Sendable, CaseIterable {
        case node
        case outside
    }

    struct Tally {
        var right = 0
        var refusedRightly = 0
        var failed = 0
    }

    struct FlowTally {
        var opened = 0
        var broken: Set<Int> = []
        var exchanges = 0
        /// UDP flows that chose anew because their backend had gone.
        var moves = 0
    }

    private struct FlowKey: Hashable {
        let place: Place
        let number: Int
        let isUDP: Bool
    }

    private(set) var histories: [ServiceHistory]
    private(set) var connects: [Place: [String: Tally]] = [:]
    private(set) var flows: [Place: [String: FlowTally]] = [:]
    private(set) var bystanders: [Bystander: BystanderTally] = [:]
    private(set) var resent = 0
    /// What went wrong: all is counted, and the first ones are told.
    private(set) var failures: [String] = []
    private(set) var failureCount = 0
    private let services: [SoakService]
    private let frontends: [String: (service: Int, frontend: SoakService.Frontend)]
    /// The backend that answered last on a flow, and when it was asked.
    private var last: [FlowKey: (backend: String, start: UInt64)] = [:]
    /// From where outside datagrams were sent to which frontend.
    private var asked: Set<String> = []

    init(_ services: [SoakService], at time: UInt64) {
        self.services = services
        histories = services.map { _ in
            ServiceHistory(.serving(Set(1...SoakService.podCount)), at: time)
        }
        let all = services.flatMap { service in
            service.frontends.map { ("\($0.isUDP) \($0.address)", (service.number, $0)) }
        }
        frontends = Dictionary(all) { first, _ in first }
    }

    mutating func want(_ state: ServiceHistory.State, of service: Int, at time: UInt64) {
        // A client waits for a minute at most.
        histories[service].forget(before: time - min(time, 60_000_000_000))
        histories[service].want(state, at: time)
    }

    mutating func saw(_ shown: FrontendMaps.Shown, of service: Int, at time: UInt64) {
        histories[service].saw(shown.state, isClean: shown.isClean, at: time)
    }

    mutating func fail(_ text: String) {
        failureCount += 1
        if failures.count < 20 { failures.append(text) }
    }

    /// Nothing that happens to Services is a reason for a bystander to fail.
    mutating func judge(_ record: BystanderRecord) {
        bystanders[record.kind, default: BystanderTally()].add(record)
        if let failure = record.failure { fail("bystander \(record.kind.rawValue): \(failure)") }
    }

    mutating func judge(_ record: ClientRecord, from place: Place) {
        guard let (number, frontend) = frontends["\(record.isUDP) \(record.target)"] else {
            return fail("a client tells of \(record.target), which no frontend has")
        }
        let proto = record.isUDP ? "UDP" : "TCP"
        let kind = "\(frontend.kind.rawValue)/\(frontend.address.isV4 ? "IPv4" : "IPv6")/\(proto)"
        // A flow keeps its backend while the maps have that at all (spec 31, 32). So does a new socket outside that was given
        // the port of one before it: no packet tells the two apart.
        let isNew = record.act != .exchange
        let isPacketFlow = record.isUDP && place == .outside
        let isAskedAgain =
            isNew && isPacketFlow && !asked.insert("\(record.local) \(record.target)").inserted
        let isRemembered = !isNew || isAskedAgain
        let states = histories[number].states(from: record.start, to: record.end, remembered: isRemembered)
        // An established connection lives on, whatever became of its backend (spec 33).
        let isEstablished = record.act == .exchange && !record.isUDP
        let verdict =
            isEstablished
            ? record.result == "ok"
            : Self.isRight(record, states, port: services[number].port, frontend)
                || Self.isDestroyedRightly(record, states, from: place)
        if !verdict { fail(explain(record, place, states)) }
        resent += record.resent
        if record.act == .connect {
            var tally = connects[place, default: [:]][kind, default: Tally()]
            if !verdict {
                tally.failed += 1
            } else if record.result == "ok" {
                tally.right += 1
            } else {
                tally.refusedRightly += 1
            }
            connects[place, default: [:]][kind] = tally
        } else {
            follow(record, verdict, proto, place, number)
        }
    }

    /// Whether one of the versions that may have been met explains what was met.
    static func isRight(
        _ record: ClientRecord, _ states: [ServiceHistory.State], port: UInt16, _ frontend: SoakService.Frontend
    ) -> Bool {
        states.contains { state in
            switch state {
            case .serving(let pods) where !pods.isEmpty:
                record.result == "ok" && pods.contains { record.backend == "pod-\($0):\(port)" }
            // connect() of a UDP socket sends nothing and is not refused: it meets the routes to the VIP, of which there may
            // be none.
            case .serving: record.result == "ECONNREFUSED" || (record.isUDP && record.result == "ENETUNREACH")
            // No process listens on a node's port, and no route leads to an address without a host. A ClusterIP refuses
            // other ports while one of its frontends is there (spec 28).
            case .absent where frontend.kind == .nodePort: record.result == "ECONNREFUSED"
            case .absent where frontend.kind == .clusterIP && states.count > 1:
                record.result == "ENETUNREACH" || record.result == "ECONNREFUSED"
            case .absent: record.result == "ENETUNREACH"
            }
        }
    }

    /// A UDP socket on the node gets an error when its backend leaves the set while it waits for the answer, and learns so
    /// that it must connect again.
    static func isDestroyedRightly(
        _ record: ClientRecord, _ states: [ServiceHistory.State], from place: Place
    ) -> Bool {
        guard record.isUDP, place == .node, record.result == "ECONNABORTED" else { return false }
        let sets = states.map { state -> Set<Int> in
            if case .serving(let pods) = state { pods } else { [] }
        }
        return zip(sets, sets.dropFirst()).contains { before, after in !before.isSubset(of: after) }
    }

    /// A TCP flow is one connection and stays. A UDP flow stays while its backend is in the set, and only so long
    /// (spec 31, 32).
    private mutating func follow(
        _ record: ClientRecord, _ verdict: Bool, _ proto: String, _ place: Place, _ service: Int
    ) {
        let key = FlowKey(place: place, number: record.flow, isUDP: record.isUDP)
        var tally = flows[place, default: [:]][proto, default: FlowTally()]
        defer { flows[place, default: [:]][proto] = tally }
        if record.act == .open { tally.opened += 1 } else { tally.exchanges += 1 }
        if !verdict { tally.broken.insert(record.flow) }
        guard record.result == "ok" else { return }
        defer { last[key] = (record.backend, record.start) }
        guard let before = last[key], before.backend != record.backend else { return }
        let port = services[service].port
        let mayHaveGone = histories[service].states(from: before.start, to: record.end).contains { state in
            guard case .serving(let pods) = state else { return true }
            return !pods.contains { before.backend == "pod-\($0):\(port)" }
        }
        if record.isUDP && mayHaveGone {
            tally.moves += 1
        } else {
            tally.broken.insert(record.flow)
            fail("flow \(record.flow) to \(record.target) went from \(before.backend) to \(record.backend)")
        }
    }

    private func explain(_ record: ClientRecord, _ place: Place, _ states: [ServiceHistory.State]) -> String {
        let what =
            record.result == "ok"
            ? "\(record.backend) answered" : "\(record.result) at \(record.stage)"
        let right = states.map { state in
            switch state {
            case .absent: "no Service"
            case .serving(let pods): "pods \(pods.sorted().map(String.init).joined(separator: ","))"
            }
        }
        let took = (record.end - record.start) / 1_000
        let act = record.act == .connect ? "connect" : "flow \(record.flow)"
        return
            "\(act) from \(place.rawValue), \(record.local), to \(record.target)/\(record.isUDP ? "UDP" : "TCP"): \(what) "
            + "after \(took) µs; right was \(right.joined(separator: " or "))"
    }
}
