package import CDatapath
package import ServiceMaps

/// Maps in memory, which do what the kernel's do, and fail when told to.
/// Safety: a test, or the one actor that it gave the store to, uses it at a time.
package final class FakeStore: MapStore, @unchecked Sendable {
    package typealias Bytes = [UInt8]

    /// What every map holds. An array is a hash of the elements that are not zero.
    package struct Contents: Equatable {
        package var maps: [ServiceMap: [Bytes: Bytes]] = [:]

        package init() {}

        package mutating func perform(_ event: Event) {
            switch event {
            case .put(let map, let key, let value):
                let isEmptyElement = FakeStore.isArray(map) && value.allSatisfy { $0 == 0 }
                maps[map, default: [:]][key] = isEmptyElement ? nil : value
            case .delete(let map, let key): maps[map]?[key] = nil
            case .grace: break
            }
        }

        package func value<Key: BitwiseCopyable, Value: BitwiseCopyable>(_ map: ServiceMap, _ key: Key) -> Value? {
            maps[map]?[bytes(key)].map { load($0) }
        }
    }

    /// One atomic step of the kernel.
    package enum Event: Equatable {
        case put(ServiceMap, Bytes, Bytes)
        case delete(ServiceMap, Bytes)
        case grace
    }

    package var contents: Contents
    package var log: [Event] = []
    package var capacities: MapCapacities
    /// Says whether a write fails, by its number and map.
    package var refuses: (Int, ServiceMap) -> Bool = { _, _ in false }
    private var writes = 0
    /// The arrays of which elements were read.
    package private(set) var arraysRead: Set<ServiceMap> = []
    package var counters: [UInt32: [service_counter]] = [:]

    package init(_ contents: Contents = Contents(), capacities: MapCapacities = .small) {
        self.contents = contents
        self.capacities = capacities
    }

    package static func isArray(_ map: ServiceMap) -> Bool { map == .slots4 || map == .slots6 || map == .vipFilter }

    private func write(_ event: Event, _ map: ServiceMap) -> MapError? {
        defer { writes += 1 }
        if refuses(writes, map) { return MapError(map, .kernel(errno: 12, text: "no memory")) }
        if case .put(_, let key, _) = event, !Self.isArray(map), contents.maps[map]?[key] == nil,
            UInt32(contents.maps[map]?.count ?? 0) >= capacity(of: map)
        {
            return MapError(map, .full(capacity: capacity(of: map)))
        }
        contents.perform(event)
        log.append(event)
        return nil
    }

    package func update<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ map: ServiceMap, keys: [Key], values: [Value]
    ) -> WriteOutcome {
        for (index, (key, value)) in zip(keys, values).enumerated() {
            if let error = write(.put(map, bytes(key), bytes(value)), map) {
                return WriteOutcome(completed: index, failure: error)
            }
        }
        return WriteOutcome(completed: keys.count)
    }

    package func delete<Key: BitwiseCopyable>(_ map: ServiceMap, keys: [Key]) -> WriteOutcome {
        for (index, key) in keys.enumerated() {
            if let error = write(.delete(map, bytes(key)), map) {
                return WriteOutcome(completed: index, failure: error)
            }
        }
        return WriteOutcome(completed: keys.count)
    }

    package func forEach<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        in map: ServiceMap, _ body: (Key, Value) -> Void
    ) throws(MapError) {
        for (key, value) in contents.maps[map] ?? [:] { body(load(key), load(value)) }
    }

    package func elements<Value: BitwiseCopyable>(
        _ map: ServiceMap, at indices: Range<UInt32>, as _: Value.Type
    ) throws(MapError) -> [Value] {
        arraysRead.insert(map)
        return indices.map { index in
            let zero = Bytes(repeating: 0, count: MemoryLayout<Value>.size)
            return load(contents.maps[map]?[bytes(index)] ?? zero)
        }
    }

    package func perCPU<Value: BitwiseCopyable>(
        _ map: ServiceMap, at index: UInt32, as _: Value.Type
    ) throws(MapError) -> [Value]? {
        guard index < capacity(of: map) else { return nil }
        return (counters[index] ?? [service_counter()]).map { load(bytes($0)) }
    }

    package func forEachPerCPU<Value: BitwiseCopyable>(
        in map: ServiceMap, _ body: (UInt32, [Value]) -> Void
    ) throws(MapError) {
        for (key, value) in contents.maps[map] ?? [:] { body(load(key), [load(value)]) }
    }

    package func zeroPerCPU(_ map: ServiceMap, at index: UInt32) throws(MapError) {
        defer { writes += 1 }
        if refuses(writes, map) { throw MapError(map, .kernel(errno: 12, text: "no memory")) }
        counters[index] = nil
    }

    package func capacity(of map: ServiceMap) -> UInt32 { capacities[map] ?? 0 }
}

extension MapCapacities {
    package static let small = MapCapacities(
        services: 256, slots: 512, backends: 256, affinity: 16, countsBackends: true, possibleCPUs: 2)
}

/// A grace period that is entered into the log of a store.
package struct LoggedGrace: GracePeriod {
    let store: FakeStore

    package init(store: FakeStore) { self.store = store }

    package func wait() throws(GracePeriodError) { store.log.append(.grace) }
}

package func bytes<Value: BitwiseCopyable>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

package func load<Value: BitwiseCopyable>(_ bytes: [UInt8]) -> Value {
    bytes.withUnsafeBytes { $0.loadUnaligned(as: Value.self) }
}
