internal import CDatapath
package import ServiceModel

/// What the maps say, and nothing else: for people, when the daemon is away or is not to be believed.
package struct ProgrammedState: Sendable, Hashable {
    /// A service port of one family.
    package struct Port: Sendable, Hashable {
        package var id: ServiceID
        /// Nil if the map of names has none for this id.
        package var name: ServicePortName?
        /// Sorted by key.
        package var frontends: [Frontend] = []
        /// Sorted by address and port.
        package var backends: [Backend] = []
        /// Where the clients of its restricted frontends may come from, sorted (spec 24).
        package var sourceRanges: [CIDR] = []
        /// Nil past the end of the array of counters.
        package var counter: ServiceCounter?
    }

    /// A front door.
    package struct Frontend: Sendable, Hashable {
        package var key: FrontendKey
        package var entry: ServiceEntry
        /// Where a client may be sent, in the order of the slots. Nil: a slot of another service port.
        package var slots: [SlotEntry?] = []
    }

    package struct Backend: Sendable, Hashable {
        package var id: BackendID
        package var entry: BackendEntry
        /// How often it was chosen; nil if backends are not counted one by one.
        package var forwarded: UInt64?
    }

    /// Sorted by name; those without one come last, by id.
    package var ports: [Port] = []
    /// Addresses that refuse a port without a frontend.
    package var vips: [IPAddress: VIPEntry] = [:]
    /// NodePorts that no other program may listen on.
    package var nodePorts: [NodePortKey: ServiceID] = [:]
    /// Entries of `services4/6` that do not belong to their key, or are not understood.
    package var unreadable = 0

    /// Nothing at all.
    package init() {}

    /// Reads all maps. Entries that are written meanwhile may be missed.
    package static func read<Store: MapStore>(from store: Store) throws(MapError) -> ProgrammedState {
        var reader = Reader()
        if store.capacity(of: .backendCounters) > 1 {
            var counts: [BackendID: UInt64] = [:]
            try store.forEachPerCPU(in: .backendCounters) { (id, values: [backend_counter]) in
                counts[BackendID(id)] = values.reduce(0) { $0 &+ $1.forwarded }
            }
            reader.backendCounts = counts
        }
        try store.forEach(in: .servicePorts) { (id: UInt32, value: service_port) in
            reader.ports[ServiceID(id)] = Port(id: ServiceID(id), name: value.decoded)
        }
        try reader.read(IPv4.self, from: store)
        try reader.read(IPv6.self, from: store)
        try store.forEach(in: .nodePorts) { (key: node_port_key, value: node_port) in
            if let key = key.decoded { reader.state.nodePorts[key] = ServiceID(value.service_id) }
        }
        return try reader.finish(store)
    }
}

/// Puts together what belongs to one id.
private struct Reader {
    var state = ProgrammedState()
    var ports: [ServiceID: ProgrammedState.Port] = [:]
    /// Nil if backends are not counted one by one; one that was never chosen has no entry.
    var backendCounts: [BackendID: UInt64]?

    mutating func read<Family: MapFamily, Store: MapStore>(_: Family.Type, from store: Store) throws(MapError) {
        var frontends: [ProgrammedState.Frontend] = []
        try store.forEach(in: .services(Family.family)) { (key: Family.ServiceKey, value: service) in
            guard let frontend = key.decoded, let entry = value.decoded(sealedFor: key.seal) else {
                state.unreadable += 1
                return
            }
            frontends.append(.init(key: frontend, entry: entry))
        }
        let slots = ServiceMap.slots(Family.family)
        let capacity = store.capacity(of: slots)
        for var frontend in frontends {
            let (run, owner) = (frontend.entry.run, frontend.entry.service)
            if run.count > 0, run.first < capacity {
                let range = run.first..<min(capacity, run.first.addingReportingOverflow(run.count).partialValue)
                frontend.slots = try store.elements(slots, at: range, as: Family.Slot.self).map { slot in
                    slot.decoded.flatMap { $0.service == owner ? $0 : nil }
                }
            }
            port(owner) { $0.frontends.append(frontend) }
        }
        try store.forEach(in: .backends(Family.family)) { (id: UInt32, value: Family.Backend) in
            guard let entry = value.decoded else { return }
            let forwarded = backendCounts.map { $0[BackendID(id)] ?? 0 }
            port(entry.service) { $0.backends.append(.init(id: BackendID(id), entry: entry, forwarded: forwarded)) }
        }
        try store.forEach(in: .sourceRanges(Family.family)) { (key: Family.SourceRangeKey, value: source_range) in
            guard value.allow != 0, let (service, range) = key.decoded else { return }
            port(service) { $0.sourceRanges.append(range) }
        }
        try store.forEach(in: .vips(Family.family)) { (key: Family.VIPKey, value: vip) in
            if let entry = value.decoded { state.vips[key.ipAddress] = entry }
        }
    }

    private mutating func port(_ id: ServiceID, _ change: (inout ProgrammedState.Port) -> Void) {
        change(&ports[id, default: ProgrammedState.Port(id: id, name: nil)])
    }

    mutating func finish<Store: MapStore>(_ store: Store) throws(MapError) -> ProgrammedState {
        for (id, var port) in ports {
            port.frontends.sort { $0.key < $1.key }
            port.sourceRanges.sort()
            port.backends.sort { ($0.entry.address, $0.entry.port) < ($1.entry.address, $1.entry.port) }
            let counters = try store.perCPU(.serviceCounters, at: id.number, as: service_counter.self)
            port.counter = counters.map { ServiceCounter(addingUp: $0) }
            state.ports.append(port)
        }
        state.ports.sort { left, right in
            switch (left.name, right.name) {
            case (let left?, let right?): left < right
            case (nil, nil): left.id < right.id
            case (let name, _): name != nil
            }
        }
        return state
    }
}
