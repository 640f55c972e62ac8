internal import CDatapath
package import ServiceModel

/// How often a service port was used, by name.
package struct ServiceUse: Sendable, Hashable {
    package struct Backend: Sendable, Hashable {
        package var address: IPAddress
        package var port: Port
        /// As `ServiceCounter.forwarded`.
        package var forwarded: UInt64

        package init(address: IPAddress, port: Port, forwarded: UInt64) {
            self.address = address
            self.port = port
            self.forwarded = forwarded
        }
    }

    package var name: ServicePortName
    package var counter: ServiceCounter
    /// Sorted by address and port; empty if backends are not counted one by one.
    package var backends: [Backend]

    package init(name: ServicePortName, counter: ServiceCounter, backends: [Backend] = []) {
        self.name = name
        self.counter = counter
        self.backends = backends
    }

    /// Reads the service ports with the lowest ids, which stay the same while others come and go.
    /// - Returns: at most `limit` of them, by id and each name once, and how many there are.
    package static func read<Store: MapStore>(
        from store: Store, limit: Int
    ) throws(MapError) -> (uses: [ServiceUse], total: Int) {
        var names: [(id: ServiceID, name: ServicePortName)] = []
        try store.forEach(in: .servicePorts) { (id: UInt32, value: service_port) in
            if let name = value.decoded { names.append((ServiceID(id), name)) }
        }
        names.sort { $0.id < $1.id }
        var uses: [ServiceUse] = []
        var places: [ServicePortName: Int] = [:]
        var owners: [ServiceID: Int] = [:]
        for (id, name) in names.prefix(limit) {
            // Past the end of the array nothing is counted one by one.
            guard let values = try store.perCPU(.serviceCounters, at: id.number, as: service_counter.self) else {
                break
            }
            // A name has two ids while the old one waits for its grace period.
            let place = places[name] ?? uses.count
            if place == uses.count { uses.append(ServiceUse(name: name, counter: ServiceCounter())) }
            places[name] = place
            owners[id] = place
            uses[place].counter += ServiceCounter(addingUp: values)
        }
        try readBackends(of: owners, from: store, into: &uses)
        return (uses, Set(names.lazy.map(\.name)).count)
    }

    private static func readBackends<Store: MapStore>(
        of owners: [ServiceID: Int], from store: Store, into uses: inout [ServiceUse]
    ) throws(MapError) {
        guard store.capacity(of: .backendCounters) > 1, !owners.isEmpty else { return }
        var counts: [UInt32: UInt64] = [:]
        try store.forEachPerCPU(in: .backendCounters) { (id, values: [backend_counter]) in
            counts[id] = values.reduce(0) { $0 &+ $1.forwarded }
        }
        // One that came back has two ids for a while, as a service port.
        var sums: [Int: [Place: UInt64]] = [:]
        func take<Family: MapFamily>(_: Family.Type) throws(MapError) {
            try store.forEach(in: .backends(Family.family)) { (id: UInt32, value: Family.Backend) in
                guard let entry = value.decoded, let owner = owners[entry.service] else { return }
                sums[owner, default: [:]][Place(address: entry.address, port: entry.port), default: 0] &+=
                    counts[id] ?? 0
            }
        }
        try take(IPv4.self)
        try take(IPv6.self)
        for (owner, backends) in sums {
            uses[owner].backends = backends.map { Backend(address: $0.address, port: $0.port, forwarded: $1) }
                .sorted { ($0.address, $0.port) < ($1.address, $1.port) }
        }
    }

    private struct Place: Hashable {
        var address: IPAddress
        var port: Port
    }
}
