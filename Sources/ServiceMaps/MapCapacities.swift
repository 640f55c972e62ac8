internal import CDatapath

/// How many entries each map may hold. A hash map takes memory for what it holds, an array for all of it.
public struct MapCapacities: Sendable, Hashable {
    /// Frontends per IP family; also VIPs per family and NodePorts. There is room for twice as many names of service
    /// ports, because both families share that map.
    public var services: UInt32
    /// Slots per IP family: about one for each endpoint of each service port, and room to replace a run.
    public var slots: UInt32
    /// Endpoints of service ports per IP family.
    public var backends: UInt32
    /// Ranges of `loadBalancerSourceRanges` per IP family: one for each range of each restricted service port.
    public var sourceRanges: UInt32
    /// Clients with session affinity that are remembered; the oldest are forgotten first.
    public var affinity: UInt32
    /// Entries of flows that are translated at tc, per IP family, two for each flow; the least used are forgotten first.
    public var flows: UInt32
    /// Service ports that are counted one by one: those with an id below this.
    public var serviceCounters: UInt32
    /// Backends that are counted one by one, of both families; 1 when they are not.
    public var backendCounters: UInt32

    /// Memory that the per-CPU counters of service ports may take.
    static let serviceCounterMemory = 32 << 20

    /// - Parameters:
    ///   - countsBackends: room for a counter of each backend.
    ///   - possibleCPUs: what the kernel keeps a counter for, online or not.
    public init(
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

    /// What the flows of both families take together at most: 64 MiB, with the kernel's 48 bytes for each entry.
    public static let maxFlows: UInt32 = 224_000

    /// The flows to keep on a machine with so many bytes of memory: one 256th of it goes to them, up to `maxFlows`.
    public static func flows(forMemory bytes: UInt64) -> UInt32 {
        let entries =
            (48 + MemoryLayout<flow4_key>.size + MemoryLayout<flow4>.size)
            + (48 + MemoryLayout<flow6_key>.size + MemoryLayout<flow6>.size)
        return UInt32(clamping: min(max(bytes / 256 / UInt64(entries), 8192), UInt64(maxFlows)))
    }

    /// Whether each backend has a counter of its own.
    public var countsBackends: Bool { backendCounters > 1 }

    /// The configured number of entries; nil for maps whose size is not ours to choose.
    public subscript(map: ServiceMap) -> UInt32? {
        switch map {
        case .services4, .services6, .vips4, .vips6, .nodePorts: services
        case .frontends: services * 2
        case .slots4, .slots6: slots
        case .backends4, .backends6: backends
        case .sourceRanges4, .sourceRanges6: sourceRanges
        case .affinity: affinity
        case .conntrack4, .conntrack6: flows
        case .fragments: UInt32(LB_FRAGMENTS)
        case .flowFilter: UInt32(LB_FLOW_FILTER)
        case .devices: UInt32(LB_DEVICES)
        case .serviceCounters: serviceCounters
        case .backendCounters: backendCounters
        case .vipFilter: UInt32(LB_FILTER_WORDS)
        case .counters: UInt32(COUNT_MAX.rawValue)
        case .socketOrigin, .socketSpill, .socketFlows, .socketVIPs: nil
        }
    }

    /// The same, with no less than maps have that were pinned before: those may have grown.
    public func raised(to pinned: (ServiceMap) -> UInt32?) -> MapCapacities {
        func most(_ own: UInt32, _ maps: ServiceMap...) -> UInt32 { maps.compactMap(pinned).reduce(own, max) }
        var raised = self
        raised.services = most(services, .services4, .services6, .vips4, .vips6, .nodePorts)
        raised.slots = most(slots, .slots4, .slots6)
        raised.backends = most(backends, .backends4, .backends6)
        raised.sourceRanges = most(sourceRanges, .sourceRanges4, .sourceRanges6)
        raised.serviceCounters = most(serviceCounters, .serviceCounters)
        if countsBackends { raised.backendCounters = raised.backends * 2 }
        return raised
    }

    /// What these maps really have: one that was pinned before keeps its size.
    func limited(by store: some MapStore) -> MapCapacities {
        var limited = self
        limited.services = [ServiceMap.services4, .services6, .vips4, .vips6, .nodePorts]
            .map(store.capacity).reduce(min(services, store.capacity(of: .frontends) / 2), min)
        limited.slots = min(slots, store.capacity(of: .slots4), store.capacity(of: .slots6))
        limited.backends = min(backends, store.capacity(of: .backends4), store.capacity(of: .backends6))
        limited.sourceRanges = min(
            sourceRanges, store.capacity(of: .sourceRanges4), store.capacity(of: .sourceRanges6))
        limited.backendCounters = min(backendCounters, store.capacity(of: .backendCounters))
        limited.serviceCounters = min(serviceCounters, store.capacity(of: .serviceCounters))
        return limited
    }
}
