import Synchronization

/// What the name server did, for metrics and `status`.
package final class NameServerCounters: Sendable {
    package enum Event: Int, CaseIterable, Sendable {
        /// Answered from the zone.
        case answered
        /// Answered by an upstream server.
        case forwarded
        /// Answered from what an upstream server had said.
        case cached
        /// No upstream server answered in time.
        case upstreamFailed
        /// Refused, or passed over: a stranger's.
        case refused
        /// Refused: a zone transfer, another class or operation, or a name that is not ours without upstream servers.
        case notServed
        /// No message of DNS, or one that asks nothing.
        case malformed
        /// Not answered, since too much was under way.
        case dropped

        package var word: String {
            switch self {
            case .answered: "answered"
            case .forwarded: "forwarded"
            case .cached: "cached"
            case .upstreamFailed: "upstream_failed"
            case .refused: "refused"
            case .notServed: "not_served"
            case .malformed: "malformed"
            case .dropped: "dropped"
            }
        }
    }

    private let counts = Mutex([UInt64](repeating: 0, count: Event.allCases.count))

    package init() {}

    package func count(_ event: Event) { counts.withLock { $0[event.rawValue] += 1 } }

    package subscript(event: Event) -> UInt64 { counts.withLock { $0[event.rawValue] } }
}
