import Synchronization

/// What a name server did and how it is, for metrics and `status`.
package final class NameServerBoard: Sendable {
    private struct State {
        var problems: [NameServerSettings.Address: String] = [:]
        var upstream: [NameServerSettings.Address]?
        var resolver: NameResolver?
    }

    package let counters = NameServerCounters()
    private let state = Mutex(State())

    package init() {}

    /// Why addresses are not listened on.
    package var problems: [NameServerSettings.Address: String] { state.withLock { $0.problems } }

    /// The servers that are asked for other names now.
    package var upstream: [NameServerSettings.Address] { state.withLock { $0.upstream ?? [] } }

    /// Answers of upstream servers that are remembered, and their bytes.
    package var remembered: (answers: Int, bytes: Int) {
        state.withLock { $0.resolver }?.remembered ?? (0, 0)
    }

    /// - Returns: whether the text is another one than before.
    @discardableResult
    func set(_ address: NameServerSettings.Address, to problem: String?) -> Bool {
        state.withLock { state in
            defer { state.problems[address] = problem }
            return state.problems[address] != problem
        }
    }

    /// - Returns: whether they are others than before.
    func set(upstream: [NameServerSettings.Address]) -> Bool {
        state.withLock { state in
            defer { state.upstream = upstream }
            return state.upstream != upstream
        }
    }

    func watch(_ resolver: NameResolver) { state.withLock { $0.resolver = resolver } }
}
