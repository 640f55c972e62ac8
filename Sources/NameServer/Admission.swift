package import ServiceModel
import Synchronization

/// The clients that the server answers: the node and its pods, and the networks of `--dns-allow`.
///
/// To all others it says REFUSED, at a bounded rate: an answer to a forged source is traffic to a stranger.
package final class Admission: Sendable {
    private struct State {
        var own: Set<IPAddress> = []
        var networks: [CIDR] = []
        var credit = Admission.mostRefusals
        var second: UInt64 = 0
    }

    /// Refusals that are said in a second.
    static let mostRefusals = 10

    private let allowed: [CIDR]
    private let state = Mutex(State())

    package init(allowed: [CIDR]) { self.allowed = allowed }

    /// Takes the addresses of the node, and the networks of its pods.
    package func set(own: some Sequence<IPAddress>, networks: [CIDR]) {
        state.withLock { state in
            state.own = Set(own)
            state.networks = networks
        }
    }

    package func admits(_ address: IPAddress) -> Bool {
        if address.isLoopback || allowed.contains(where: { $0.contains(address) }) { return true }
        return state.withLock { state in
            state.own.contains(address) || state.networks.contains { $0.contains(address) }
        }
    }

    /// Whether one more refusal is said in this second.
    func mayRefuse(at now: UInt64) -> Bool {
        state.withLock { state in
            if state.second != now { (state.second, state.credit) = (now, Self.mostRefusals) }
            state.credit -= 1
            return state.credit >= 0
        }
    }
}
