import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

@Suite("Random histories of Services")
struct HistoryTests {
    @Test(
        "a reader meets the old or the new backends and ranges after every single write",
        arguments: 0..<20 as Range<UInt64>)
    func prefixes(seed: UInt64) throws {
        var cluster = RandomCluster(seed: seed)
        let store = FakeStore()
        var writer = try ServiceMapWriter(store: store, grace: LoggedGrace(store: store), capacities: .small)
        for step in 0..<12 {
            let start = store.contents
            store.log = []
            let change = cluster.change()
            expectDone(writer.apply(upserts: change.upserts, removals: change.removals))
            if step % 3 != 0 { _ = try writer.reclaim() }
            expectEveryPrefixSafe(from: start, store.log, to: cluster.services.values, "seed \(seed), change \(step)")
            expectRangesHold(from: start, store.log, to: cluster.services.values, "seed \(seed), change \(step)")
        }
        _ = try writer.reclaim()
        try expectMaps(in: store, hold: cluster.services.values)
        #expect(writer.apply(upserts: Array(cluster.services.values)).written == 0)
    }

    @Test("one write in ten fails, and trying again converges", arguments: 100..<120 as Range<UInt64>)
    func failures(seed: UInt64) throws {
        var cluster = RandomCluster(seed: seed)
        var dice = SeededGenerator(seed: seed)
        let store = FakeStore()
        var writer = try ServiceMapWriter(store: store, grace: LoggedGrace(store: store), capacities: .small)
        for step in 0..<10 {
            store.refuses = { _, _ in Int.random(in: 0..<10, using: &dice) == 0 }
            let start = store.contents
            store.log = []
            let change = cluster.change()
            let retries: [ServiceMapWriter<FakeStore>.Retries] = [.none, .due, .all]
            _ = writer.apply(
                upserts: change.upserts, removals: change.removals, retries: retries.randomElement(using: &dice) ?? .all
            )
            _ = try writer.reclaim()
            expectEveryPrefixSafe(from: start, store.log, to: cluster.services.values, "seed \(seed), change \(step)")
            expectRangesHold(
                from: start, store.log, to: cluster.services.values, everyWriteSucceeds: false,
                "seed \(seed), change \(step)")
            guard step % 3 == 2 else { continue }
            store.refuses = { _, _ in false }
            // A frontend that moves waits for its new owner, and its old one for that.
            _ = writer.apply()
            expectDone(writer.apply())
            while writer.needsReclaim { _ = try writer.reclaim() }
            try expectMaps(in: store, hold: cluster.services.values)
            #expect(writer.pending.isEmpty)
        }
    }

    @Test("a crash after any write is healed by a restart", arguments: 200..<204 as Range<UInt64>)
    func crashes(seed: UInt64) throws {
        var cluster = RandomCluster(seed: seed)
        let store = FakeStore()
        var writer = try ServiceMapWriter(store: store, grace: LoggedGrace(store: store), capacities: .small)
        for _ in 0..<6 {
            var crashed = store.contents
            store.log = []
            let change = cluster.change()
            expectDone(writer.apply(upserts: change.upserts, removals: change.removals))
            _ = try writer.reclaim()
            for event in store.log {
                crashed.perform(event)
                try restart(from: crashed, cluster)
            }
        }
    }

    private func restart(from contents: FakeStore.Contents, _ cluster: RandomCluster) throws {
        let store = FakeStore(contents)
        let before = try ids(store)
        var writer = try ServiceMapWriter(store: store, grace: LoggedGrace(store: store), capacities: .small)
        #expect(store.log.isEmpty)
        expectDone(writer.apply(upserts: Array(cluster.services.values), prune: true))
        expectEveryPrefixSafe(from: contents, store.log, to: cluster.services.values, "restart")
        expectRangesHold(from: contents, store.log, to: cluster.services.values, "restart")
        while writer.needsReclaim { _ = try writer.reclaim() }
        try expectMaps(in: store, hold: cluster.services.values)
        for (name, id) in try ids(store) { #expect(before[name] ?? id == id) }
        store.log = []
        #expect(writer.apply(upserts: Array(cluster.services.values), prune: true).written == 0)
        #expect(store.log.isEmpty)
    }

    private func ids(_ store: FakeStore) throws -> [ServicePortName: ServiceID] {
        var ids: [ServicePortName: ServiceID] = [:]
        for port in try ProgrammedState.read(from: store).ports {
            if let name = port.name { ids[name] = port.id }
        }
        return ids
    }
}
