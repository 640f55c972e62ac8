internal import CDatapath
package import ServiceModel

/// The counters of all service ports and the backends behind them, at one moment: what rates are made of.
package struct ServiceActivity: Sendable, Hashable {
    package struct Backend: Sendable, Hashable {
        package var service: ServiceID
        package var address: IPAddress
        package var port: Port
        /// It gets new connections.
        package var isActive: Bool
        /// How often it was chosen; nil if backends are not counted one by one.
        package var forwarded: UInt64?

        package init(service: ServiceID, address: IPAddress, port: Port, isActive: Bool, forwarded: UInt64?) {
            self.service = service
            self.address = address
            self.port = port
            self.isActive = isActive
            self.forwarded = forwarded
        }
    }

    package var names: [ServiceID: ServicePortName] = [:]
    /// Without an entry past the end of the array of counters.
    package var counters: [ServiceID: ServiceCounter] = [:]
    package var backends: [BackendID: Backend] = [:]

    package init() {}

    package static func read<Store: MapStore>(from store: Store) throws(MapError) -> ServiceActivity {
        var activity = ServiceActivity()
        activity.names = try ServicePortNames.read(from: store)
        for id in activity.names.keys {
            if let values = try store.perCPU(.serviceCounters, at: id.number, as: service_counter.self) {
                activity.counters[id] = ServiceCounter(addingUp: values)
            }
        }
        var counts: [UInt32: UInt64]?
        if store.capacity(of: .backendCounters) > 1 {
            var found: [UInt32: UInt64] = [:]
            try store.forEachPerCPU(in: .backendCounters) { (id, values: [backend_counter]) in
                found[id] = values.reduce(0) { $0 &+ $1.forwarded }
            }
            counts = found
        }
        try activity.readBackends(IPv4.self, counts, from: store)
        try activity.readBackends(IPv6.self, counts, from: store)
        return activity
    }

    private mutating func readBackends<Family: MapFamily, Store: MapStore>(
        _: Family.Type, _ counts: [UInt32: UInt64]?, from store: Store
    ) throws(MapError) {
        try store.forEach(in: .backends(Family.family)) { (id: UInt32, value: Family.Backend) in
            guard let entry = value.decoded else { return }
            backends[BackendID(id)] = Backend(
                service: entry.service, address: entry.address, port: entry.port, isActive: entry.state == .active,
                forwarded: counts.map { $0[id] ?? 0 })
        }
    }
}
