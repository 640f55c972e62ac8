internal import CDatapath

/// How many entries each map may hold. A hash map takes memory for what it holds, an array for all of it.
package struct MapCapacities: Sendable, Hashable {
    /// Frontends per IP family; also VIPs per family and NodePorts. There is room for twice as many names of service
    /// ports, because both families share that map.
    package var services: UInt32
    /// Slots per IP family: about one for each endpoint of each service port, and room to replace a run.
    package var slots: UInt32
    /// Endpoints of service ports per IP family.
    package var backends: UInt32
    /// Ranges of `loadBalancerSourceRanges` per IP family: one for each range of each restricted service port.
    package var sourceRanges: UInt32
    /// Clients with session affinity that are remembered; the oldest are forgotten first.
    package var affinity: UInt32
    /// Flows that are translated at tc, per IP family. An established one is never forgotten for a new one.
    package var flows: UInt32
    /// Service ports that are counted one by one: those with an id below this.
    package var serviceCounters: UInt32
    /// Backends that are counted one by one, of both families; 1 when they are not.
    package var backendCounters: UInt32

    /// Memory that the per-CPU counters of service ports may take.
    static let serviceCounterMemory = 32 << 20

    /// - Parameters:
    ///   - countsBackends: room for a counter of each backend.
    ///   - possibleCPUs: what the kernel keeps a counter for, online or not.
    package init(
        services: UInt32 = 65_536, slots: UInt32 = 262_144, backends: UInt32 = 131_072,
        sourceRanges: UInt32 = 65_536, affinity: UInt32 = 65_536, flows: UInt32 = maxFlows,
        countsBackends: Bool = false, possibleCPUs: Int
    ) {
        self.services = services
        self.slots = slots
        self.backends = backends
        self.sourceRanges = sourceRanges
        self.affinity = affinity
        self.flows = flows
        backendCounters = countsBackends ? backends * 2 : 1
        serviceCounters = Self.serviceCounters(for: services, possibleCPUs: possibleCPUs)
    }

    /// The service ports that are counted one by one among so many.
    static func serviceCounters(for services: UInt32, possibleCPUs: Int) -> UInt32 {
        let perService = MemoryLayout<service_counter>.size * max(possibleCPUs, 1)
        return min(services, UInt32(serviceCounterMemory / perService))
    }

    /// As many flows as the kernel tracks connections by default on a large machine.
    package static let maxFlows: UInt32 = 262_144

    /// The flows of each family to keep on a machine with so many bytes of memory: one for each 64 KiB, which is as many
    /// as the kernel tracks connections, up to `maxFlows`. What they take of memory before there are any is their array,
    /// 160 bytes for both families.
    package static func flows(forMemory bytes: UInt64) -> UInt32 {
        UInt32(clamping: min(max(bytes >> 16, 8_192), UInt64(maxFlows)))
    }

    /// Whether each backend has a counter of its own.
    package var countsBackends: Bool { backendCounters > 1 }

    /// The configured number of entries; nil for maps whose size is not ours to choose.
    package subscript(map: ServiceMap) -> UInt32? {
        switch map.about.size {
        case .services: services
        case .servicePorts: services * 2
        case .slots: slots
        case .backends: backends
        case .sourceRanges: sourceRanges
        case .affinity: affinity
        case .flows: flows
        case .tuples: flows * UInt32(LB_TUPLES_PER_FLOW)
        case .node(let entries): entries
        case .serviceCounters: serviceCounters
        case .backendCounters: backendCounters
        case .devices: UInt32(LB_DEVICES)
        case .fragments: UInt32(LB_FRAGMENTS)
        case .programs(let entries): entries
        case .sockets: nil
        }
    }

    /// The same, with no less than maps have that were pinned before: those may have grown.
    package func raised(to pinned: (ServiceMap) -> UInt32?) -> MapCapacities {
        func most(_ own: UInt32, _ size: MapSize) -> UInt32 {
            MapCatalog.all.filter { $0.size == size }.compactMap { pinned($0.map) }.reduce(own, max)
        }
        var raised = self
        raised.services = most(services, .services)
        raised.slots = most(slots, .slots)
        raised.backends = most(backends, .backends)
        raised.sourceRanges = most(sourceRanges, .sourceRanges)
        raised.serviceCounters = most(serviceCounters, .serviceCounters)
        if countsBackends { raised.backendCounters = raised.backends * 2 }
        return raised
    }

    /// What these maps really have: one that was pinned before keeps its size.
    func limited(by store: some MapStore) -> MapCapacities {
        func least(_ own: UInt32, _ size: MapSize) -> UInt32 {
            MapCatalog.all.filter { $0.size == size }.map { store.capacity(of: $0.map) }.reduce(own, min)
        }
        var limited = self
        limited.services = min(least(services, .services), least(.max, .servicePorts) / 2)
        limited.slots = least(slots, .slots)
        limited.backends = least(backends, .backends)
        limited.sourceRanges = least(sourceRanges, .sourceRanges)
        limited.backendCounters = least(backendCounters, .backendCounters)
        limited.serviceCounters = least(serviceCounters, .serviceCounters)
        return limited
    }
}
