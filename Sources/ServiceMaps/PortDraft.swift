internal import ServiceModel

/// What a service port's record becomes when a plan is accepted.
struct PortDraft {
    let desired: DesiredServicePort
    let id: ServiceID
    /// The wanted backends and those still in the maps, sorted by address and port.
    private(set) var backends: [MirroredBackend] = []
    /// Where in `backends` each desired one is.
    private(set) var places: [Int] = []
    private(set) var runs: [MirroredRun]
    /// The wanted ranges and those still in the maps.
    private(set) var ranges: [MirroredRange] = []
    private var runOfPolicy: [Service.TrafficPolicy: SlotRun] = [:]
    /// How many backends the map has no entry for yet.
    private(set) var unwritten = 0

    var family: IPFamily { desired.name.family }

    init(_ desired: DesiredServicePort, id: ServiceID, record: PortRecord) {
        self.desired = desired.inOrder
        self.id = id
        runs = record.runs
        for index in runs.indices { runs[index].isWanted = false }
        merge(record.backends)
        merge(record.ranges)
    }

    private mutating func merge(_ held: [MirroredBackend]) {
        backends.reserveCapacity(max(held.count, desired.backends.count))
        places.reserveCapacity(desired.backends.count)
        var next = 0
        for endpoint in desired.backends {
            let (address, port) = (endpoint.address, endpoint.port.number)
            while next < held.count, held[next].isBefore(address, port) {
                keep(held[next])
                next += 1
            }
            places.append(backends.count)
            if next < held.count, held[next].isAt(address, port) {
                var backend = held[next]
                backend.flags.insert(.wanted)
                backend.retiredAt = 0
                backends.append(backend)
                next += 1
            } else {
                backends.append(
                    MirroredBackend(
                        high: address.high, low: address.low, id: BackendID(0), port: port, zone: 0, flags: .wanted))
            }
            if !backends[backends.count - 1].flags.contains(.written) { unwritten += 1 }
        }
        for backend in held[next...] { keep(backend) }
    }

    /// A backend that is not wanted stays for as long as the kernel has it.
    private mutating func keep(_ backend: MirroredBackend) {
        guard backend.flags.contains(.written) else { return }
        backends.append(backend)
        backends[backends.count - 1].flags.remove(.wanted)
    }

    private mutating func merge(_ held: [MirroredRange]) {
        var missing = desired.sourceRanges
        for var range in held where range.isWritten {
            range.isWanted = missing.remove(range.range) != nil
            if range.isWanted { range.retiredAt = 0 }
            ranges.append(range)
        }
        guard !missing.isEmpty else { return }
        ranges += missing.map { MirroredRange(range: $0) }
        ranges.sort { $0.range < $1.range }
    }

    mutating func assignIDs(_ ids: inout BackendIDSequence) {
        guard unwritten > 0 else { return }
        for place in places where backends[place].id.number == 0 { backends[place].id = ids.allocate() }
    }

    // MARK: - Runs

    /// The policies of the frontends that lead to backends.
    var policies: [Service.TrafficPolicy] {
        [.cluster, .local].filter { policy in
            desired.frontends.contains { $0.action == .balance && $0.policy == policy }
        }
    }

    /// The ids of a policy's set of backends, in the order of their slots.
    func members(for policy: Service.TrafficPolicy) -> [BackendID] {
        zip(desired.backends, places).compactMap { endpoint, place in
            (policy == .cluster ? endpoint.inCluster : endpoint.inLocal) ? backends[place].id : nil
        }
    }

    /// Takes a run that has just these backends, if there is one.
    mutating func useRun(of members: [BackendID], for policy: Service.TrafficPolicy) -> Bool {
        guard let index = runs.firstIndex(where: { $0.backends == members }) else { return false }
        runs[index].isWanted = true
        runOfPolicy[policy] = runs[index].run
        return true
    }

    mutating func add(_ run: SlotRun, of members: [BackendID], for policy: Service.TrafficPolicy) {
        runs.append(MirroredRun(run: run, backends: members, isWritten: false, isWanted: true))
        runOfPolicy[policy] = run
    }

    /// Where a frontend with this policy points; `.none` when there is no backend for it.
    func run(for policy: Service.TrafficPolicy) -> SlotRun { runOfPolicy[policy] ?? .none }

    /// What the slots of a wanted run hold.
    func slots(of run: MirroredRun) -> [SlotEntry] {
        var slots: [SlotEntry] = []
        slots.reserveCapacity(run.backends.count)
        for place in places where slots.count < run.backends.count {
            let backend = backends[place]
            guard backend.id == run.backends[slots.count] else { continue }
            slots.append(
                SlotEntry(service: id, backend: backend.id, address: backend.address(family), port: backend.port))
        }
        return slots
    }
}

extension BackendFlags {
    init(_ backend: DesiredBackend) {
        self = []
        if backend.state == .active { insert(.active) }
        if backend.isLocal { insert(.local) }
        if backend.inCluster { insert(.inCluster) }
        if backend.inLocal { insert(.inLocal) }
    }
}

extension DesiredServicePort {
    /// Whether some clients may not use some of its frontends (spec 24).
    var isRestricted: Bool { frontends.contains { $0.sourceRanges != nil } }

    /// The ranges of its restricted frontends, which have the same ones.
    var sourceRanges: Set<CIDR> {
        var (all, last): (Set<CIDR>, [CIDR]) = ([], [])
        for frontend in frontends {
            guard let sources = frontend.sourceRanges else { continue }
            // Those of a Service have one array, which is not gone through for each of them.
            if sources.ranges != last {
                last = sources.ranges
                all.formUnion(last)
            }
            if let own = sources.own(of: frontend.key.address) { all.insert(own) }
        }
        return all
    }

    /// Itself, if its backends are sorted and unique as they should be; otherwise with those that are.
    fileprivate var inOrder: DesiredServicePort {
        func isBefore(_ left: DesiredBackend, _ right: DesiredBackend) -> Bool {
            (left.address, left.port) < (right.address, right.port)
        }
        if zip(backends, backends.dropFirst()).allSatisfy(isBefore) { return self }
        var sorted = self
        sorted.backends = []
        for backend in backends.sorted(by: isBefore) {
            if let last = sorted.backends.last, !isBefore(last, backend) { continue }
            sorted.backends.append(backend)
        }
        return sorted
    }
}
