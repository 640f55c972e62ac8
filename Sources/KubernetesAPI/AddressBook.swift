import Synchronization

/// Which of the API servers to ask: the one that works, until it does not.
///
/// One that breaks is passed over for a while that grows each time; the next in the order takes its place and keeps it.
final class AddressBook: Sendable {
    private struct Entry {
        var backoff = Backoff()
        var restsUntil = Duration.zero
        var brokeAt: Duration?
    }

    private struct State {
        var entries: [Entry]
        var current = 0

        /// The next one that may be asked, in the order and round again.
        func free(after index: Int, at now: Duration) -> Int? {
            (1..<max(1, entries.count)).lazy.map { (index + $0) % entries.count }
                .first { entries[$0].restsUntil <= now }
        }
    }

    struct Choice: Hashable {
        var index: Int
        /// How long to wait before it may be asked.
        var wait: Duration
    }

    private let state: Mutex<State>

    init(count: Int) {
        precondition(count > 0, "a connection has at least one address")
        state = Mutex(State(entries: Array(repeating: Entry(), count: count)))
    }

    /// The address to ask at this time.
    func choose(at now: Duration) -> Choice {
        state.withLock { state in
            let order = [state.current] + state.entries.indices.filter { $0 != state.current }
            let free = order.first { state.entries[$0].restsUntil <= now }
            let soonest = order.min { state.entries[$0].restsUntil < state.entries[$1].restsUntil }
            state.current = free ?? soonest ?? state.current
            return Choice(
                index: state.current, wait: max(.zero, state.entries[state.current].restsUntil - now))
        }
    }

    func worked(_ index: Int) {
        state.withLock { $0.entries[index].backoff.reset() }
    }

    /// Asks the next one from now on, although this one works.
    func pass(_ index: Int, at now: Duration) {
        state.withLock { state in
            if state.current == index, let next = state.free(after: index, at: now) { state.current = next }
        }
    }

    /// - Parameter startedAt: when the request began. Of several that one break fails, only the first one counts.
    func broke(_ index: Int, startedAt: Duration, at now: Duration, _ chance: () -> Double) {
        state.withLock { state in
            if let brokeAt = state.entries[index].brokeAt, startedAt <= brokeAt { return }
            state.entries[index].brokeAt = now
            state.entries[index].restsUntil = now + state.entries[index].backoff.next(chance)
            // At once: asked again later it would be taken for rested, and be as sick as before.
            if state.current == index, let next = state.free(after: index, at: now) { state.current = next }
        }
    }
}
