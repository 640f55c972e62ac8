import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

/// Two Services, four pods, three updates: every history there is, and in each one every reader.
///
/// The second Service has the pods that the first has not, so that each one's freed slots are the other's new ones. The
/// first two sets differ in how many pods stay, come and go; which ones these are is a matter of their names.
/// That makes 17,920 histories with 392,711,904 orders of the three look-ups of a reader and the writer's steps.
@Suite("Every interleaving of readers and the writer")
struct InterleavingTests {
    enum Reclaiming: CaseIterable {
        /// Each update is followed by its grace period.
        case after
        /// A grace period that began before an update ends after it.
        case across
    }

    /// The first two sets.
    struct Start: Sendable {
        var pods: Set<Int>
        var next: Set<Int>
    }

    static let starts = (0...4).flatMap { pods in
        (0...pods).flatMap { kept in
            (0...4 - pods).map { new in
                Start(pods: Set(0..<pods), next: Set(0..<kept).union(pods..<pods + new))
            }
        }
    }
    private static let keys = [Bench.key(1), Bench.key(2)]

    @Test("no reader meets a backend that is missing, or another's", arguments: starts, Reclaiming.allCases)
    func readers(start: Start, reclaiming: Reclaiming) throws {
        var history = try History(reclaiming)
        history.update(to: start.pods)
        history.update(to: start.next)
        var (histories, interleavings) = (0, 0)
        for second in 0..<16 {
            let beforeSecond = history.saved
            history.update(to: Self.pods(second))
            for third in 0..<16 {
                let beforeThird = history.saved
                history.update(to: Self.pods(third))
                histories += 1
                interleavings += history.readers.interleavings
                if let wrong = history.wrong {
                    Issue.record("\(start), \(Self.pods(second)), \(Self.pods(third)): \(wrong)")
                    return
                }
                history.restore(beforeThird)
            }
            history.restore(beforeSecond)
        }
        #expect(histories == 256)
        #expect(interleavings > 2_000_000)
    }

    private static func pods(_ bits: Int) -> Set<Int> { Set((0..<4).filter { bits & (1 << $0) != 0 }) }

    /// The writer, its store and all readers. What was saved is restored when another branch is tried.
    private struct History {
        private let store = FakeStore()
        private let reclaiming: Reclaiming
        private var writer: ServiceMapWriter<FakeStore>
        private(set) var readers = ReaderModel(InterleavingTests.keys)
        private var sets: [Set<Int>] = [[], []]
        private var ticket: (ServiceMapWriter<FakeStore>.ReclaimTicket, grace: Int)?
        private(set) var wrong: String?

        init(_ reclaiming: Reclaiming) throws {
            self.reclaiming = reclaiming
            writer = try ServiceMapWriter(store: store, grace: LoggedGrace(store: store), capacities: .small)
        }

        var saved: (History, FakeStore.Contents) { (self, store.contents) }

        mutating func restore(_ saved: (History, FakeStore.Contents)) {
            self = saved.0
            store.contents = saved.1
        }

        mutating func update(to pods: Set<Int>) {
            let next = [pods, Set(0..<4).subtracting(pods)]
            let allowed = zip(sets, next).map { Set([$0, $1]) }
            step(allowed) { writer in
                let services = zip(["a", "b"], next).enumerated().map { index, service in
                    Bench.service(service.0, at: index + 1, pods: service.1.sorted())
                }
                _ = writer.apply(upserts: services)
            }
            sets = next
            if let (ticket, grace) = ticket.take() { finish(ticket, grace) }
            let ticket = writer.beginReclaim()
            let grace = readers.beginGrace()
            switch reclaiming {
            case .after: finish(ticket, grace)
            case .across: self.ticket = (ticket, grace)
            }
        }

        private mutating func finish(_ ticket: ServiceMapWriter<FakeStore>.ReclaimTicket, _ grace: Int) {
            readers.endGrace(grace)
            step(sets.map { [$0] }) { writer in _ = writer.finishReclaim(ticket) }
        }

        /// Lets the writer work, and then the readers look before and after each of its writes.
        private mutating func step(
            _ allowed: [Set<Set<Int>>], _ body: (inout ServiceMapWriter<FakeStore>) -> Void
        ) {
            var contents = store.contents
            store.log = []
            body(&writer)
            wrong = wrong ?? readers.look(at: contents, allowed: allowed)
            for event in store.log {
                contents.perform(event)
                wrong = wrong ?? readers.look(at: contents, allowed: allowed)
            }
        }
    }
}
