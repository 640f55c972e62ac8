internal import CDatapath

/// Maps in memory that begin as a copy of others, to see what a change would write; the others stay as they are.
///
/// A class because the writer and the caller that asks for the counts share it. It belongs to one task.
package final class DraftStore: MapStore {
    private typealias Bytes = [UInt8]

    /// Writes to one map.
    package struct Writes: Sendable, Hashable, Codable {
        package var written = 0
        package var deleted = 0
    }

    /// An array holds its elements that are not zero.
    private var maps: [ServiceMap: [Bytes: Bytes]] = [:]
    private let capacities: [ServiceMap: UInt32]
    package private(set) var writes: [ServiceMap: Writes] = [:]

    /// A copy of pinned maps.
    package init(copying store: BPFMapStore) throws(MapError) {
        var capacities: [ServiceMap: UInt32] = [:]
        for map in BPFMapStore.needed {
            capacities[map] = store.capacity(of: map)
            guard map.about.isState, map.about.kind != .perCPUArray, map.about.kind != .perCPUHash else { continue }
            let isArray = map.about.kind.isArray
            maps[map] = try store.rawEntries(of: map) { _, value in !isArray || value.contains { $0 != 0 } }
        }
        self.capacities = capacities
    }

    /// Empty maps of these sizes.
    package init(capacities: MapCapacities) {
        self.capacities = Dictionary(
            uniqueKeysWithValues: BPFMapStore.needed.map { ($0, capacities[$0] ?? 1) })
    }

    /// Counts from zero again.
    package func resetCounts() { writes = [:] }

    package func update<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ map: ServiceMap, keys: [Key], values: [Value]
    ) -> WriteOutcome {
        for (index, (key, value)) in zip(keys, values).enumerated() {
            let (key, value) = (Self.bytes(key), Self.bytes(value))
            let isEmptyElement = map.about.kind.isArray && value.allSatisfy { $0 == 0 }
            let isNew = maps[map]?[key] == nil && !map.about.kind.isArray
            if isNew, UInt32(clamping: maps[map]?.count ?? 0) >= capacity(of: map) {
                return WriteOutcome(completed: index, failure: MapError(map, .full(capacity: capacity(of: map))))
            }
            maps[map, default: [:]][key] = isEmptyElement ? nil : value
            writes[map, default: Writes()].written += 1
        }
        return WriteOutcome(completed: keys.count)
    }

    package func delete<Key: BitwiseCopyable>(_ map: ServiceMap, keys: [Key]) -> WriteOutcome {
        for key in keys where maps[map]?.removeValue(forKey: Self.bytes(key)) != nil {
            writes[map, default: Writes()].deleted += 1
        }
        return WriteOutcome(completed: keys.count)
    }

    package func forEach<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        in map: ServiceMap, _ body: (Key, Value) -> Void
    ) throws(MapError) {
        for (key, value) in maps[map] ?? [:] { body(Self.load(key), Self.load(value)) }
    }

    package func elements<Value: BitwiseCopyable>(
        _ map: ServiceMap, at indices: Range<UInt32>, as _: Value.Type
    ) throws(MapError) -> [Value] {
        let zero: Value = Self.load(Bytes(repeating: 0, count: MemoryLayout<Value>.size))
        var values = [Value](repeating: zero, count: indices.count)
        let taken = maps[map] ?? [:]
        if taken.count < indices.count {
            for (key, value) in taken {
                let index: UInt32 = Self.load(key)
                if indices.contains(index) { values[Int(index - indices.lowerBound)] = Self.load(value) }
            }
        } else {
            for index in indices {
                if let value = taken[Self.bytes(index)] { values[Int(index - indices.lowerBound)] = Self.load(value) }
            }
        }
        return values
    }

    /// Nothing has been counted in a draft.
    package func perCPU<Value: BitwiseCopyable>(
        _ map: ServiceMap, at index: UInt32, as _: Value.Type
    ) throws(MapError) -> [Value]? { nil }

    package func forEachPerCPU<Value: BitwiseCopyable>(
        in map: ServiceMap, _ body: (UInt32, [Value]) -> Void
    ) throws(MapError) {}

    package func zeroPerCPU(_ map: ServiceMap, at index: UInt32) throws(MapError) {
        writes[map, default: Writes()].written += 1
    }

    package func capacity(of map: ServiceMap) -> UInt32 { capacities[map] ?? 0 }

    private static func bytes<Value: BitwiseCopyable>(_ value: Value) -> Bytes {
        withUnsafeBytes(of: value) { Array($0) }
    }

    /// What was stored of the same type.
    private static func load<Value: BitwiseCopyable>(_ bytes: Bytes) -> Value {
        bytes.withUnsafeBytes { $0.loadUnaligned(as: Value.self) }
    }
}

/// Nothing reads a draft.
package struct NoGracePeriod: GracePeriod {
    package init() {}

    package func wait() throws(GracePeriodError) {}
}
