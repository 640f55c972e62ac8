package import ServiceModel

/// How many entries Services need in the maps, in the family that needs more.
package struct MapDemand: Sendable, Hashable {
    fileprivate struct Count: Sendable, Hashable {
        var frontends = 0
        var slots = 0
        var backends = 0
        var sourceRanges = 0
    }

    fileprivate var counts: [IPFamily: Count] = [:]
    /// Of both families, which share the map of names.
    private var ports = 0

    package init() {}

    /// Adds what a compiled Service needs, with its backends.
    package mutating func add(_ service: DesiredService) {
        for port in service.ports {
            ports += 1
            counts[port.name.family, default: Count()].add(port)
        }
    }

    /// The least capacity of each group of maps that holds it all.
    func entries(of group: MapGroup) -> Int {
        let counts = counts.values
        return switch group {
        case .services: max(counts.map(\.frontends).max() ?? 0, (ports + 1) / 2)
        // Slot 0 is never used.
        case .slots: (counts.map(\.slots).max() ?? 0) + 1
        case .backends: counts.map(\.backends).max() ?? 0
        case .sourceRanges: counts.map(\.sourceRanges).max() ?? 0
        }
    }

    /// The groups that would be crowded, over four fifths full.
    package func crowded(_ capacities: MapCapacities) -> [MapGroup] {
        MapGroup.allCases.filter { entries(of: $0) * 5 > Int(capacities.entries(of: $0)) * 4 }
    }
}

extension MapDemand {
    /// What objects need at most, by counting what they name and compiling nothing.
    ///
    /// - Parameter nodePortAddresses: how many addresses serve each NodePort.
    package init(atMost events: [ClusterEvent], nodePortAddresses: Int) {
        var (backends, frontends) = (0, Count())
        for event in events {
            switch event {
            case .service(let service):
                let external = service.externalIPs.count + service.ingress.count + nodePortAddresses
                // One for clients of the node and one for those outside.
                frontends.frontends += service.ports.count * (service.clusterIPs.count + 2 * external)
                frontends.sourceRanges +=
                    service.ports.count * service.loadBalancerSourceRanges.count * (1 + service.ingress.count)
                ports += service.ports.count * service.clusterIPs.count
            case .slice(let slice): backends += slice.endpoints.count * slice.ports.count
            default: break
            }
        }
        frontends.backends = backends
        // A run for each of the two policies.
        frontends.slots = backends * 2
        counts[.v4] = frontends
    }
}

extension MapDemand.Count {
    fileprivate mutating func add(_ port: DesiredServicePort) {
        frontends += port.frontends.count
        backends += port.backends.count
        let balanced = port.frontends.filter { $0.action == .balance }
        let cluster = balanced.contains { $0.policy == .cluster }
        let local = balanced.contains { $0.policy == .local }
        if cluster { slots += port.backends.count(where: \.inCluster) }
        // Equal sets share a run.
        if local, !cluster || port.backends.contains(where: { $0.inCluster != $0.inLocal }) {
            slots += port.backends.count(where: \.inLocal)
        }
        sourceRanges += port.sourceRanges.count
    }
}

extension MapCapacities {
    /// The number that stands for a group, which the maps of the group follow.
    func entries(of group: MapGroup) -> UInt32 {
        switch group {
        case .services: services
        case .slots: slots
        case .backends: backends
        case .sourceRanges: sourceRanges
        }
    }
}

extension MapGrowth {
    /// The capacities with groups doubled until none is crowded by a demand, or as far as the limit allows.
    ///
    /// - Returns: the groups that are larger, and the capacities.
    package func fitted(
        _ capacities: MapCapacities, to demand: MapDemand
    ) -> (groups: [MapGroup], capacities: MapCapacities) {
        var (fitted, groups) = (capacities, Set<MapGroup>())
        // All of them in turn, so that a limit leaves room in each.
        var hasGrown = true
        while hasGrown {
            hasGrown = false
            for group in demand.crowded(fitted) {
                guard let larger = grown(fitted, group) else { continue }
                fitted = larger
                groups.insert(group)
                hasGrown = true
            }
        }
        return (MapGroup.allCases.filter(groups.contains), fitted)
    }
}
