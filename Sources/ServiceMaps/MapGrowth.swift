internal import CDatapath
internal import ServiceModel

/// Maps whose size is chosen together: what one flag counts.
public enum MapGroup: String, CaseIterable, Sendable {
    case services, slots, backends
    case sourceRanges = "source ranges"

    public var maps: [ServiceMap] {
        switch self {
        case .services: [.services4, .services6, .vips4, .vips6, .nodePorts, .frontends, .serviceCounters]
        case .slots: [.slots4, .slots6]
        case .backends: [.backends4, .backends6, .backendCounters]
        case .sourceRanges: [.sourceRanges4, .sourceRanges6]
        }
    }

    /// The group that a map belongs to; nil for maps that do not grow.
    public init?(of map: ServiceMap) {
        guard let group = Self.allCases.first(where: { $0.maps.contains(map) }) else { return nil }
        self = group
    }
}

/// How far the maps of the control plane may grow.
public struct MapGrowth: Sendable, Hashable {
    /// What these maps may take together when all of them are full, in bytes; 0: they do not grow.
    public var memoryLimit: Int
    private let possibleCPUs: Int

    public init(memoryLimit: Int, possibleCPUs: Int) {
        self.memoryLimit = memoryLimit
        self.possibleCPUs = possibleCPUs
    }

    /// The capacities with those of a group doubled; nil if they would not stay below the limit.
    public func grown(_ capacities: MapCapacities, _ group: MapGroup) -> MapCapacities? {
        var grown = capacities
        switch group {
        case .services:
            grown.services = doubled(capacities.services)
            grown.serviceCounters = MapCapacities.serviceCounters(for: grown.services, possibleCPUs: possibleCPUs)
        case .slots: grown.slots = doubled(capacities.slots)
        case .backends:
            grown.backends = doubled(capacities.backends)
            if capacities.countsBackends { grown.backendCounters = grown.backends * 2 }
        case .sourceRanges: grown.sourceRanges = doubled(capacities.sourceRanges)
        }
        return memory(of: grown) <= memoryLimit ? grown : nil
    }

    /// Ids and indices have 32 bits, and maps of two families and twice that size must exist.
    private func doubled(_ count: UInt32) -> UInt32 { min(count, 1 << 28) * 2 }

    /// What the maps that grow take in kernel memory when they are full, in bytes.
    public func memory(of capacities: MapCapacities) -> Int {
        MapGroup.allCases.flatMap(\.maps).reduce(0) { sum, map in
            sum + Int(capacities[map] ?? 0) * bytes(of: map)
        }
    }

    /// What an entry takes: its key and value, and for maps that are made of elements what the kernel adds to each.
    private func bytes(of map: ServiceMap) -> Int {
        let description = MapCatalog.description(of: map)
        let value = (description.valueSize + 7) / 8 * 8
        let key = (description.keySize + 7) / 8 * 8
        return switch map {
        case .slots4, .slots6: value
        case .serviceCounters: value * possibleCPUs
        case .backendCounters: key + value * possibleCPUs + Self.element
        default: key + value + Self.element
        }
    }

    /// The head of an element, and its share of the buckets.
    private static let element = 64
}

// MARK: - The writer

extension ServiceMapWriter {
    public var capacities: MapCapacities { mirror.capacities }

    /// The groups of which a map is so full that it should grow before something does not fit.
    public var crowded: Set<MapGroup> {
        var groups: Set<MapGroup> = []
        for (map, fill) in statistics {
            guard let group = MapGroup(of: map), fill.capacity > 0 else { continue }
            if fill.entries * 5 > fill.capacity * 4 { groups.insert(group) }
        }
        return groups
    }

    /// Goes on with maps that hold the same entries and have more room.
    public mutating func move(to store: Store, capacities: MapCapacities) {
        self.store = store
        mirror.capacities = capacities.limited(by: store)
        for family in IPFamily.allCases { mirror[slots: family].grow(to: mirror.capacities.slots) }
    }
}
