import Synchronization

/// Addresses that cannot be listened on now, each with the reason: for `status` and the metrics.
package final class ListenProblems: Sendable {
    private struct State {
        var texts: [ListenAddress: String] = [:]
        var overLimit: String?
        /// Those that wait for the next attempt, and are to be woken for it.
        var waiting: [ListenAddress: AsyncStream<Void>.Continuation] = [:]
        /// Those that were woken and have not tried yet.
        var trying: Set<ListenAddress> = []
    }

    private let state = Mutex(State())

    package init() {}

    /// Sorted; empty when everything that should be listened on is.
    package var all: [String] {
        state.withLock { state in (state.overLimit.map { [$0] } ?? []) + state.texts.values.sorted() }
    }

    /// Has all be tried now that wait for their next attempt, and returns when they have been.
    package func tryNow() async {
        let woken = state.withLock { state in
            state.trying.formUnion(state.waiting.keys)
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in woken { continuation.finish() }
        // A bind takes no time, and the holder of the port is soon found.
        for _ in 0..<200 where state.withLock({ !$0.trying.isEmpty }) {
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return }
        }
    }

    /// Nil when the address is well, or no longer wanted.
    func set(_ address: ListenAddress, to text: String?) {
        state.withLock { state in
            state.texts[address] = text
            state.trying.remove(address)
        }
    }

    /// That there are more addresses than may be listened on; nil when there are not.
    func setOverLimit(_ text: String?) { state.withLock { $0.overLimit = text } }

    func text(of address: ListenAddress) -> String? { state.withLock { $0.texts[address] } }

    /// Waits for a pause, or until it is to be tried now.
    /// - Returns: false when the task was cancelled.
    func wait(_ pause: Duration, for address: ListenAddress) async -> Bool {
        let (wishes, wish) = AsyncStream.makeStream(of: Void.self)
        state.withLock { $0.waiting[address] = wish }
        await withTaskGroup { group in
            group.addTask { try? await Task.sleep(for: pause) }
            group.addTask { for await _ in wishes {} }
            await group.next()
            group.cancelAll()
        }
        _ = state.withLock { $0.waiting.removeValue(forKey: address) }
        return !Task.isCancelled
    }
}
