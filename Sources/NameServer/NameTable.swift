package import DNSMessage
package import ServiceModel
package import ServiceNames
import Synchronization

/// The zone, shared by the one that writes it and the event loops that read it.
package final class NameTable: Sendable {
    private struct State {
        var zone: ServiceZone
        /// All Services were heard of: what is not there does not exist.
        var isComplete = false
    }

    package typealias Change = (name: ObjectName, records: ServiceRecords?)

    private let state: Mutex<State>

    package init(_ settings: ServiceZone.Settings) { state = Mutex(State(zone: ServiceZone(settings))) }

    /// Takes what Services have become; nil for those that are gone.
    ///
    /// - Parameter isComplete: these and the ones before are all that there are. Until then no question about the zone
    ///   is answered: an absence would be believed, and remembered.
    package func update(_ changes: [Change], isComplete: Bool) {
        state.withLock { state in
            for change in changes { state.zone.set(change.name, to: change.records) }
            state.isComplete = state.isComplete || isComplete
        }
    }

    /// Forgets the Services that are none of these: a whole list has come.
    package func keepOnly(_ names: Set<ObjectName>) {
        state.withLock { state in
            for name in state.zone.serviceNames where !names.contains(name) { state.zone.set(name, to: nil) }
        }
    }

    package func answer(_ question: Question, _ excerpt: Excerpt = .everything) -> ServiceZone.Verdict {
        state.withLock { state in
            let verdict = state.zone.answer(question, excerpt)
            if case .elsewhere = verdict { return verdict }
            return state.isComplete ? verdict : .answer(Response(.serverFailure))
        }
    }

    /// The zone as it is, once it is complete.
    package var completeZone: ServiceZone? { state.withLock { $0.isComplete ? $0.zone : nil } }

    /// How many Services have names.
    package var count: Int { state.withLock { $0.zone.count } }
}
