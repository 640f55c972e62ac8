import ServiceModel
import Testing

@testable import ServiceMaps

/// A reader stops between its look-ups at every point of two updates, and still gets what was right at some moment.
@Suite("Interleavings of a reader and two updates")
struct InterleavingTests {
    static let sets: [[Int]] = (0..<8).map { bits in (0..<3).filter { bits & (1 << $0) != 0 } }

    @Test("service entry first, slot and backend later", arguments: sets)
    func reader(initial: [Int]) throws {
        for first in Self.sets {
            for second in Self.sets { try check([initial, first, second]) }
        }
    }

    private func check(_ sets: [[Int]]) throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: sets[0])])
        var states = [bench.store.contents]
        // A grace period waits for the readers: none may stop before it and go on after it.
        var epochs = [0]
        bench.store.log = []
        for set in sets.dropFirst() {
            _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: set)])
            _ = try bench.writer.reclaim()
        }
        for event in bench.store.log {
            var contents = states[states.count - 1]
            contents.perform(event)
            states.append(contents)
            epochs.append(epochs[epochs.count - 1] + (event == .grace ? 1 : 0))
        }
        let key = Model4.ServiceKey(Bench.key(1))
        for (start, contents) in states.enumerated() {
            guard let entry = entry(key, contents), entry.run.count > 0 else { continue }
            for later in start..<states.count where epochs[later] == epochs[start] {
                for slot in entry.run.first..<entry.run.end {
                    let met = backend(slot, entry, states[later])
                    #expect(met, "\(sets): entry read after \(start) writes, slot \(slot) after \(later)")
                }
            }
        }
    }

    private func entry(_ key: Model4.ServiceKey, _ contents: FakeStore.Contents) -> ServiceEntry? {
        DatapathModel(contents: contents).entry(key, Model4.self)
    }

    /// Whether the slot is the service's, and names a backend that is there.
    private func backend(_ slot: UInt32, _ entry: ServiceEntry, _ contents: FakeStore.Contents) -> Bool {
        var anyPolicy = entry
        anyPolicy.policy = .cluster
        switch DatapathModel(contents: contents).backend(in: slot, anyPolicy, Model4.self) {
        case .success: return true
        case .failure(let broken): return broken.isMembershipOnly
        }
    }
}
