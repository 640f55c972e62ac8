package import BPFLoader
internal import SystemPackage
import SystemCalls

/// The pinned maps of the kernel.
package struct BPFMapStore: MapStore, Sendable {
    /// A map can have one owner only, and a dictionary copies.
    private final class OpenMap: Sendable {
        let map: BPFMap

        init(_ map: consuming BPFMap) { self.map = map }
    }

    private let maps: [ServiceMap: OpenMap]

    /// The maps that the control plane writes or reads back.
    package static let needed: [ServiceMap] = MapCatalog.all.filter { $0.isState || $0.size.group != nil }.map(\.map)

    /// Opens the maps that are needed, each with `open`: from its pin, or from a loaded object.
    package init(open: (ServiceMap) throws(BPFError) -> BPFMap) throws(BPFError) {
        var maps: [ServiceMap: OpenMap] = [:]
        for map in Self.needed { maps[map] = OpenMap(try open(map)) }
        self.maps = maps
    }

    private func opened(_ map: ServiceMap) -> OpenMap {
        guard let open = maps[map] else { preconditionFailure("\(map) is not a map of the control plane") }
        return open
    }

    private func reading<Result>(
        _ map: ServiceMap, _ body: (borrowing BPFMap) throws(BPFError) -> Result
    ) throws(MapError) -> Result {
        do throws(BPFError) {
            return try body(opened(map).map)
        } catch {
            throw MapError(map, error, capacity(of: map))
        }
    }

    package func update<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ map: ServiceMap, keys: [Key], values: [Value]
    ) -> WriteOutcome {
        outcome(opened(map).map.updateBatch(keys: keys, values: values), map)
    }

    package func delete<Key: BitwiseCopyable>(_ map: ServiceMap, keys: [Key]) -> WriteOutcome {
        outcome(opened(map).map.deleteBatch(keys: keys), map)
    }

    private func outcome(_ outcome: BatchOutcome, _ map: ServiceMap) -> WriteOutcome {
        WriteOutcome(
            completed: outcome.completed, failure: outcome.failure.map { MapError(map, $0, capacity(of: map)) })
    }

    package func forEach<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        in map: ServiceMap, _ body: (Key, Value) -> Void
    ) throws(MapError) {
        let entries = try reading(map) { map throws(BPFError) in try map.entries(key: Key.self, value: Value.self) }
        for entry in entries { body(entry.key, entry.value) }
    }

    /// The entries as bytes, those that are wanted.
    func rawEntries(
        of map: ServiceMap, where isWanted: ([UInt8], [UInt8]) -> Bool
    ) throws(MapError) -> [[UInt8]: [UInt8]] {
        var wanted: [[UInt8]: [UInt8]] = [:]
        for entry in try reading(map, { map throws(BPFError) in try map.rawEntries() })
        where isWanted(entry.key, entry.value) {
            wanted[entry.key] = entry.value
        }
        return wanted
    }

    package func elements<Value: BitwiseCopyable>(
        _ map: ServiceMap, at indices: Range<UInt32>, as _: Value.Type
    ) throws(MapError) -> [Value] {
        try reading(map) { map throws(BPFError) in try map.values(in: indices, as: Value.self) }
    }

    package func perCPU<Value: BitwiseCopyable>(
        _ map: ServiceMap, at index: UInt32, as _: Value.Type
    ) throws(MapError) -> [Value]? {
        guard index < capacity(of: map) else { return nil }
        return try reading(map) { map throws(BPFError) in try map.lookupPerCPU(index, as: Value.self) }
    }

    package func forEachPerCPU<Value: BitwiseCopyable>(
        in map: ServiceMap, _ body: (UInt32, [Value]) -> Void
    ) throws(MapError) {
        let entries = try reading(map) { map throws(BPFError) in
            try map.perCPUEntries(key: UInt32.self, value: Value.self)
        }
        for entry in entries { body(entry.key, entry.value) }
    }

    package func zeroPerCPU(_ map: ServiceMap, at index: UInt32) throws(MapError) {
        guard index < capacity(of: map) else { return }
        try reading(map) { map throws(BPFError) in try map.zeroPerCPU(index) }
    }

    package func capacity(of map: ServiceMap) -> UInt32 { UInt32(opened(map).map.maxEntries) }
}

extension MapError {
    init(_ map: ServiceMap, _ error: BPFError, _ capacity: UInt32) {
        if error.cause == .argListTooLong || error.cause == .noSpace {
            // A hash says the first, a trie the second.
            self.init(map, .full(capacity: capacity))
        } else {
            // Not the whole sentence of the error: that has the entry as the C struct that it is.
            let cause = error.detail ?? error.cause.plainText
            self.init(map, .kernel(errno: error.cause.rawValue, text: cause), advice: error.advice)
        }
    }
}

/// A grace period of the kernel's RCU.
package struct RCUGracePeriod: GracePeriod {
    package init() {}

    package func wait() throws(GracePeriodError) {
        do throws(BPFError) {
            try RCU.synchronize()
        } catch {
            throw GracePeriodError("\(error)")
        }
    }
}
