internal import CDatapath
public import ServiceModel

/// How often a service port was used, by name.
public struct ServiceUse: Sendable, Hashable {
    public var id: ServiceID
    public var name: ServicePortName
    public var counter: ServiceCounter

    public init(id: ServiceID, name: ServicePortName, counter: ServiceCounter) {
        self.id = id
        self.name = name
        self.counter = counter
    }

    /// Reads the service ports with the lowest ids, which stay the same while others come and go.
    /// - Returns: at most `limit` of them, by id, and how many there are.
    public static func read<Store: MapStore>(
        from store: Store, limit: Int
    ) throws(MapError) -> (uses: [ServiceUse], total: Int) {
        var names: [(id: ServiceID, name: ServicePortName)] = []
        try store.forEach(in: .frontends) { (id: UInt32, value: frontend) in
            if let name = value.decoded { names.append((ServiceID(id), name)) }
        }
        names.sort { $0.id < $1.id }
        var uses: [ServiceUse] = []
        for (id, name) in names.prefix(limit) {
            // Past the end of the array nothing is counted one by one.
            guard let values = try store.perCPU(.serviceCounters, at: id.number, as: service_counter.self) else {
                break
            }
            uses.append(ServiceUse(id: id, name: name, counter: ServiceCounter(addingUp: values)))
        }
        return (uses, names.count)
    }
}
