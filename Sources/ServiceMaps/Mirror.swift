internal import ServiceModel

/// What we believe the kernel holds, and what is reserved for operations that are under way.
///
/// Kept small: one record a service port with flat arrays, nothing allocated for a single backend.
struct Mirror {
    private(set) var capacities: MapCapacities
    var records = RecordTable()
    /// The ids of a Service's ports, in all families.
    var services = CompactDictionary<ObjectName, [ServiceID]>()
    /// The service port that has a frontend now. It moves from one to another in one atomic update.
    var owners = CompactDictionary<FrontendKey, ServiceID>()
    var shared = SharedEntries()
    var filter = FrontendFilter()
    var zones = ZoneTable()
    var serviceIDs = ServiceIDPool()
    var backendIDs = BackendIDSequence()
    var slots4: SlotAllocator
    var slots6: SlotAllocator
    var fill = MapFill()
    var retired = RetiredEntries()
    /// Service ports that were found at the start and have not been desired since: they may be pruned (spec 10).
    var unconfirmed: Set<ServiceID> = []
    /// Frontends that have begun to lead somewhere since the last report.
    var awakened: [AwakenedFrontend] = []
    /// Service ports that have got source ranges since.
    var widened: Set<ServiceID> = []
    /// Service ports that may have something to retire.
    var disturbed: Set<ServiceID> = []

    init(capacities: MapCapacities) {
        self.capacities = capacities
        slots4 = SlotAllocator(capacity: capacities.slots)
        slots6 = SlotAllocator(capacity: capacities.slots)
    }

    /// The maps have more room from now on.
    mutating func grow(to capacities: MapCapacities) {
        self.capacities = capacities
        slots4.grow(to: capacities.slots)
        slots6.grow(to: capacities.slots)
    }

    subscript(slots family: IPFamily) -> SlotAllocator {
        get { family == .v4 ? slots4 : slots6 }
        _modify {
            if family == .v4 { yield &slots4 } else { yield &slots6 }
        }
    }

    /// The id of a service port that has one.
    func id(of name: ServicePortName) -> ServiceID? {
        services[name.service]?.first { records[$0]?.name == name }
    }

    /// Gives a service port an id.
    mutating func adopt(_ name: ServicePortName) -> ServiceID {
        let id = serviceIDs.allocate()
        records[id] = PortRecord(name: name, family: name.family)
        services[name.service, default: []].append(id)
        return id
    }

    /// Forgets a service port of which the kernel holds nothing any more.
    mutating func forget(_ id: ServiceID) {
        unlist(id)
        records[id] = nil
        unconfirmed.remove(id)
        serviceIDs.release(id)
    }

    /// Its Service has this service port no more.
    mutating func unlist(_ id: ServiceID) {
        guard let service = records[id]?.name?.service else { return }
        services.change(service) { $0.removeAll { $0 == id } }
        if services[service]?.isEmpty == true { services[service] = nil }
    }
}

// MARK: - Records

/// What the kernel holds of one service port.
struct PortRecord {
    /// Nil if a crash or a stranger left entries under an id without a name.
    var name: ServicePortName?
    let family: IPFamily
    var isNameWritten = false
    /// Cleared by the plan that removes the service port.
    var isWanted = true
    /// The epoch in which its last trace was retired; 0 while it is in use.
    var retiredAt: Epoch = 0
    /// Sorted by key.
    var frontends: [MirroredFrontend] = []
    /// Sorted by address and port.
    var backends: [MirroredBackend] = []
    var runs: [MirroredRun] = []
    /// The last plan has frontends that ask for ranges, be there some or none.
    var isRestricted = false
    /// Sorted by range.
    var ranges: [MirroredRange] = []

    /// It is no longer wanted: what the kernel holds of it may go once nothing leads there.
    mutating func abandon() {
        isWanted = false
        isRestricted = false
        backends.removeAll { !$0.flags.contains(.written) }
        for index in backends.indices { backends[index].flags.remove(.wanted) }
        for index in runs.indices { runs[index].isWanted = false }
        ranges.removeAll { !$0.isWritten }
        for index in ranges.indices { ranges[index].isWanted = false }
    }
}

struct MirroredFrontend {
    var key: FrontendKey
    var entry: ServiceEntry
}

/// A backend in 32 bytes; its family is the record's.
struct MirroredBackend {
    var high: UInt64
    var low: UInt64
    var id: BackendID
    /// The epoch in which it was retired; 0 while it is in use.
    var retiredAt: Epoch = 0
    var port: UInt16
    var zone: ZoneTable.Index
    var flags: BackendFlags
}

/// What is known of a backend: the first four as they are in the map, the last two for us.
struct BackendFlags: OptionSet {
    let rawValue: UInt8

    static let active = BackendFlags(rawValue: 1)
    static let local = BackendFlags(rawValue: 2)
    static let inCluster = BackendFlags(rawValue: 4)
    static let inLocal = BackendFlags(rawValue: 8)
    /// The kernel has an entry for it.
    static let written = BackendFlags(rawValue: 16)
    /// The last plan names it.
    static let wanted = BackendFlags(rawValue: 32)

    /// What makes a client go there or stay there.
    static let membership: BackendFlags = [.active, .inCluster, .inLocal]
    static let attributes: BackendFlags = [.active, .local, .inCluster, .inLocal]
}

/// A run of slots and what is in it.
struct MirroredRun {
    var run: SlotRun
    /// Empty when the slots were found in disorder: such a run is never taken for a good one.
    var backends: [BackendID]
    var isWritten: Bool
    /// The last plan wants frontends to point here.
    var isWanted: Bool
}

/// A range of addresses from which clients may come.
struct MirroredRange {
    var range: CIDR
    var isWritten = false
    /// The last plan names it.
    var isWanted = true
    /// The epoch in which it was retired; 0 while it is in use.
    var retiredAt: Epoch = 0
}

/// The records by service id, which is dense, but for ids that a stranger has written into the maps.
struct RecordTable {
    private var table: [PortRecord?] = []
    private var strays: [ServiceID: PortRecord] = [:]

    subscript(id: ServiceID) -> PortRecord? {
        get { id.isDense ? Int(id.number) < table.count ? table[Int(id.number)] : nil : strays[id] }
        _modify {
            if id.isDense {
                while Int(id.number) >= table.count { table.append(nil) }
                yield &table[Int(id.number)]
            } else {
                yield &strays[id]
            }
        }
    }

    /// Takes a record out, so that it can be changed without being copied; it must be put back.
    mutating func take(_ id: ServiceID) -> PortRecord? {
        if !id.isDense { return strays.removeValue(forKey: id) }
        guard Int(id.number) < table.count else { return nil }
        return table[Int(id.number)].take()
    }

    /// The ids that have a record, ascending.
    var ids: [ServiceID] {
        table.indices.filter { table[$0] != nil }.map { ServiceID(UInt32($0)) } + strays.keys.sorted()
    }
}

/// Names of zones, kept once.
struct ZoneTable {
    typealias Index = UInt16

    private var names = [""]
    private var indices: [String: Index] = ["": 0]

    /// The index of a name as the maps keep it: cut where it is too long, and empty when there are too many.
    mutating func index(of name: String?) -> Index {
        guard let name, !name.isEmpty else { return 0 }
        if let index = indices[name] { return index }
        let kept = FixedText.cut(name, toFit: IPv4.Backend.zoneSize)
        if let index = indices[kept] {
            indices[name] = index
            return index
        }
        guard let index = Index(exactly: names.count) else { return 0 }
        names.append(kept)
        indices[kept] = index
        indices[name] = index
        return index
    }

    subscript(index: Index) -> String { names[Int(index)] }
}

/// How many entries each map holds.
struct MapFill {
    private var counts: [ServiceMap: Int] = [:]

    subscript(map: ServiceMap) -> Int {
        get { counts[map, default: 0] }
        set { counts[map] = newValue }
    }
}

extension MirroredBackend {
    func address(_ family: IPFamily) -> IPAddress {
        family == .v4 ? IPAddress(v4: UInt32(truncatingIfNeeded: low)) : IPAddress(v6: high, low)
    }

    /// Before, the same as, or after an endpoint, in the order of the arrays.
    func isBefore(_ address: IPAddress, _ port: UInt16) -> Bool {
        (high, low, self.port) < (address.high, address.low, port)
    }

    func isAt(_ address: IPAddress, _ port: UInt16) -> Bool {
        low == address.low && self.port == port && high == address.high
    }
}

extension PortRecord {
    /// Where a backend is, or would be inserted.
    func position(of address: IPAddress, _ port: UInt16) -> (index: Int, found: Bool) {
        var (low, high) = (0, backends.count)
        while low < high {
            let middle = (low + high) / 2
            if backends[middle].isBefore(address, port) { low = middle + 1 } else { high = middle }
        }
        return (low, low < backends.count && backends[low].isAt(address, port))
    }

    /// Where a range is; nil if it is not there.
    func index(of range: CIDR) -> Int? {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].range < range { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].range == range ? low : nil
    }

    /// Where a frontend is, or would be inserted.
    func position(of key: FrontendKey) -> (index: Int, found: Bool) {
        var (low, high) = (0, frontends.count)
        while low < high {
            let middle = (low + high) / 2
            if frontends[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return (low, low < frontends.count && frontends[low].key == key)
    }
}
