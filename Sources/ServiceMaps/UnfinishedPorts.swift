internal import ServiceModel

/// Service ports that have to become what is desired, or have to go.
struct UnfinishedPorts {
    private var desired: [ObjectName: [DesiredServicePort]] = [:]
    /// The keys of `desired` in the order in which they came.
    private var order: [ObjectName] = []
    var removals: Set<ServiceID> = []

    /// The desired ports, Services in the order in which they came.
    var ports: some Sequence<DesiredServicePort> { order.lazy.compactMap { desired[$0] }.joined() }

    mutating func want(_ ports: [DesiredServicePort], of service: ObjectName) {
        if desired.updateValue(ports, forKey: service) == nil { order.append(service) }
    }

    /// Keeps those of other work that are in this set.
    mutating func keep(_ names: Set<ServicePortName>, of work: UnfinishedPorts) {
        for service in work.order {
            let left = work.desired[service, default: []].filter { names.contains($0.name) }
            if !left.isEmpty { want(left, of: service) }
        }
    }

    /// Hands everything over, and is empty after that.
    mutating func takeAll() -> UnfinishedPorts {
        defer { self = UnfinishedPorts() }
        return self
    }

    mutating func remove(_ service: ObjectName, _ ids: [ServiceID]) {
        if desired[service] != nil { desired[service] = [] }
        removals.formUnion(ids)
    }

    /// The ports of a Service that it has no more go away.
    mutating func replace(_ service: DesiredService, _ ids: [ServiceID], _ mirror: Mirror) {
        want(service.ports, of: service.name)
        removals.formUnion(ids)
        guard !ids.isEmpty, !service.ports.isEmpty else { return }
        let names = Set(service.ports.map(\.name))
        for id in ids {
            if let name = mirror.records[id]?.name, names.contains(name) { removals.remove(id) }
        }
    }
}
