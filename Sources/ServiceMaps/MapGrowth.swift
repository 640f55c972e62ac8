internal import CDatapath

/// How far the maps of the control plane may grow.
package struct MapGrowth: Sendable, Hashable {
    /// What these maps may take together when all of them are full, in bytes.
    package var memoryLimit: Int
    private let possibleCPUs: Int

    /// - Parameter possibleCPUs: what the kernel keeps a counter for, online or not.
    package init(memoryLimit: Int, possibleCPUs: Int) {
        self.memoryLimit = memoryLimit
        self.possibleCPUs = max(possibleCPUs, 1)
    }

    /// The capacities with those of a group doubled; nil if that would be more than the limit.
    package func grown(_ capacities: MapCapacities, _ group: MapGroup) -> MapCapacities? {
        var grown = capacities
        switch group {
        case .services:
            grown.services = doubled(capacities.services)
            grown.serviceCounters = max(
                capacities.serviceCounters,
                MapCapacities.serviceCounters(for: grown.services, possibleCPUs: possibleCPUs))
        case .slots: grown.slots = doubled(capacities.slots)
        case .backends:
            grown.backends = doubled(capacities.backends)
            if capacities.countsBackends { grown.backendCounters = grown.backends * 2 }
        case .sourceRanges: grown.sourceRanges = doubled(capacities.sourceRanges)
        }
        return memory(of: grown) <= memoryLimit ? grown : nil
    }

    /// Numbers of entries have 32 bits, and some maps have twice as many.
    private func doubled(_ count: UInt32) -> UInt32 { min(count, 1 << 28) * 2 }

    /// What the maps that grow take in kernel memory when they are full, in bytes.
    package func memory(of capacities: MapCapacities) -> Int {
        MapGroup.allCases.flatMap(\.maps).reduce(0) { sum, map in
            sum + Int(capacities[map] ?? 0) * bytes(of: map)
        }
    }

    /// What an entry takes: its value and, in maps that are made of elements, its key and what the kernel adds to each.
    private func bytes(of map: ServiceMap) -> Int {
        let about = map.about
        let key = (about.keySize + 7) / 8 * 8
        let value = (about.valueSize + 7) / 8 * 8
        return switch about.kind {
        case .array: value
        case .perCPUArray: value * possibleCPUs
        case .ringBuffer: 1
        case .perCPUHash: key + value * possibleCPUs + Self.element
        case .hash, .lruHash, .trie, .socketStorage: key + value + Self.element
        }
    }

    /// The head of an element, and its share of the buckets.
    private static let element = 64
}
