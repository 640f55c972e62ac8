import ServiceModel
import Synchronization

/// Bounds what all clients have at one time, and what one of them may have of it: none keeps the others waiting.
final class ClientShares: Sendable {
    /// What a client has, until it leaves.
    struct Share: Sendable {
        fileprivate let client: IPAddress
        fileprivate let shares: ClientShares

        func leave() { shares.leave(client) }
    }

    private struct State {
        var count = 0
        var clients: [IPAddress: Int] = [:]
    }

    private let all: Int
    private let each: Int
    private let state = Mutex(State())

    init(all: Int, each: Int) {
        self.all = all
        self.each = each
    }

    /// Nil if there is no room, or the client has its part already.
    func enter(_ client: IPAddress) -> Share? {
        state.withLock { state in
            let own = state.clients[client] ?? 0
            guard state.count < all, own < each else { return nil }
            state.count += 1
            state.clients[client] = own + 1
            return Share(client: client, shares: self)
        }
    }

    private func leave(_ client: IPAddress) {
        state.withLock { state in
            let own = (state.clients[client] ?? 1) - 1
            state.count -= 1
            state.clients[client] = own > 0 ? own : nil
        }
    }
}
