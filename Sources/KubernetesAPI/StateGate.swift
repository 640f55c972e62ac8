import KubernetesObjects
import Synchronization

/// Lets nothing pass before all that is needed for a complete first batch is there (spec 10, 11).
final class StateGate: Sendable {
    /// What the first batch waits for.
    enum Part: Hashable, Sendable {
        case services, slices, node
    }

    private struct State {
        var missing: Set<Part>
        var held = BatchAccumulator()
    }

    private let mailbox: BatchMailbox
    private let state: Mutex<State>

    init(_ mailbox: BatchMailbox, waitingFor parts: Set<Part>) {
        self.mailbox = mailbox
        state = Mutex(State(missing: parts))
    }

    var isOpen: Bool { state.withLock { $0.missing.isEmpty } }

    /// Hands on a change, or keeps it until the gate opens.
    func pass(_ batch: StateBatch) {
        state.withLock { state in
            if state.missing.isEmpty { return mailbox.leave(batch) }
            state.held.add(batch)
        }
    }

    /// A part is complete, or is not waited for any longer.
    func complete(_ part: Part) {
        state.withLock { state in
            guard state.missing.remove(part) != nil, state.missing.isEmpty else { return }
            var batch = state.held.take() ?? StateBatch()
            batch.isInitial = true
            mailbox.leave(batch)
        }
    }
}
