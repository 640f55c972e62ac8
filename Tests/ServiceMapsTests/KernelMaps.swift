import BPFLoader
import CDatapath
import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

/// Maps in the kernel with the layouts of the ABI, without a pin: they go with their descriptors.
enum KernelMaps {
    /// Whether this process may create maps.
    static var canBeCreated: Bool {
        (try? BPFMap.create(.array, name: "swl_probe", keySize: 4, valueSize: 4, maxEntries: 1)) != nil
    }

    static func store(_ capacities: MapCapacities) throws(BPFError) -> BPFMapStore {
        try BPFMapStore { map throws(BPFError) in try make(map, capacity: Int(capacities[map] ?? 1)) }
    }

    static func make(_ map: ServiceMap, capacity: Int) throws(BPFError) -> BPFMap {
        let description = MapCatalog.description(of: map)
        let noPreallocation: UInt32 = description.type.hasSuffix("array") ? 0 : 1
        return try BPFMap.create(
            type(description), name: String(map.rawValue.prefix(15)), keySize: description.keySize,
            valueSize: description.valueSize, maxEntries: capacity, flags: noPreallocation)
    }

    private static func type(_ description: MapDescription) -> BPFMapType {
        switch description.type {
        case "array": .array
        case "percpu_array": .perCPUArray
        case "percpu_hash": .perCPUHash
        case "lpm_trie": .lpmTrie
        default: .hash
        }
    }
}

@Suite("Maps of the kernel", .serialized, .enabled(if: KernelMaps.canBeCreated, "needs CAP_BPF"))
struct KernelMapTests {
    @Test(
        "random histories are read back as they were desired, also after a restart", arguments: 0..<3 as Range<UInt64>)
    func histories(seed: UInt64) throws {
        var cluster = RandomCluster(seed: seed)
        let store = try KernelMaps.store(.small)
        var writer = try ServiceMapWriter(store: store, grace: RCUGracePeriod(), capacities: .small)
        for _ in 0..<6 {
            let change = cluster.change()
            expectDone(writer.apply(upserts: change.upserts, removals: change.removals))
            expectDone(try writer.reclaim())
        }
        let state = try ProgrammedState.read(from: store)
        let desired = cluster.services.values.flatMap(\.ports).sorted { $0.name < $1.name }
        #expect(state.ports.map(\.name) == desired.map(\.name) && state.unreadable == 0)
        for (found, port) in zip(state.ports, desired) {
            #expect(found.backends.map(\.entry) == port.backendEntries(found.id))
            #expect(found.frontends.map(\.key) == port.frontends.map(\.key))
            for frontend in found.frontends { #expect(frontend.slots.allSatisfy { $0?.service == found.id }) }
        }
        let used = writer.statistics
        var restarted = try ServiceMapWriter(store: store, grace: RCUGracePeriod(), capacities: .small)
        let report = restarted.apply(upserts: Array(cluster.services.values), prune: true)
        #expect(report.written == 0 && report.deleted == 0 && !restarted.needsReclaim)
        for (map, fill) in restarted.statistics { #expect(used[map]?.entries == fill.entries, "\(map)") }
        #expect(try ProgrammedState.read(from: store) == state)
    }

    @Test("a full map is named with what to do, and harms nobody else")
    func full() throws {
        // The maps are smaller than configured, as those that were pinned before may be.
        let capacities = MapCapacities(services: 16, slots: 64, backends: 4, affinity: 1, possibleCPUs: 1)
        let store = try KernelMaps.store(capacities)
        var writer = try ServiceMapWriter(store: store, grace: RCUGracePeriod(), capacities: .small)
        let small = Bench.service("small", at: 1, pods: 1...2)
        let report = writer.apply(upserts: [small, Bench.service("big", at: 2, pods: 0..<6)])
        #expect(report.failures.map(\.error) == [MapError(.backends4, .full(capacity: 4))])
        #expect(writer.pending == [Bench.portName("big")])
        let state = try ProgrammedState.read(from: store)
        #expect(state.ports.flatMap(\.frontends).map(\.key) == [Bench.key(1)])

        let outcome = store.update(
            .vips4, keys: (0..<20 as Range<UInt32>).map { $0 }, values: Array(repeating: vip(), count: 20))
        #expect(outcome.completed == 15 && outcome.failure == MapError(.vips4, .full(capacity: 16)))
    }

    @Test("a full trie of ranges is named as well")
    func fullTrie() throws {
        let store = try KernelMaps.store(
            MapCapacities(services: 16, slots: 64, backends: 4, sourceRanges: 3, affinity: 1, possibleCPUs: 1))
        let keys = RandomCluster.ranges(.v4).map { source_range4_key($0, of: ServiceID(1)) }
        let values = keys.map { _ in source_range.allowing }
        let outcome = store.update(.sourceRanges4, keys: keys, values: values)
        #expect(outcome.completed == 3 && outcome.failure == MapError(.sourceRanges4, .full(capacity: 3)))
        #expect(outcome.failure?.description == "source_ranges4 is full (3); raise --max-source-ranges")
        #expect(store.delete(.sourceRanges4, keys: keys).failure == nil, "what is gone already counts as removed")
    }

    @Test("counters of backends are read from all CPUs")
    func backendCounters() throws {
        let store = try KernelMaps.store(.small)
        try store.zeroPerCPU(.backendCounters, at: 7)
        var found: [UInt32: [UInt64]] = [:]
        try store.forEachPerCPU(in: .backendCounters) { (id, values: [backend_counter]) in
            found[id] = values.map(\.forwarded)
        }
        #expect(found == [7: Array(repeating: 0, count: CPUs.possible)])
        #expect(store.delete(.backendCounters, keys: [UInt32(7), 8]).failure == nil)
    }

    @Test("a counter is read from all CPUs, and an id without one has none")
    func counters() throws {
        let capacities = MapCapacities(services: 2, slots: 64, backends: 16, affinity: 1, possibleCPUs: 1)
        let store = try KernelMaps.store(capacities)
        var writer = try ServiceMapWriter(store: store, grace: RCUGracePeriod(), capacities: capacities)
        expectDone(
            writer.apply(upserts: [Bench.service("a", at: 1, pods: [1]), Bench.service("b", at: 2, pods: [1])]))
        let state = try ProgrammedState.read(from: store)
        #expect(state.ports.map(\.counter) == [ServiceCounter(), nil])
    }
}
