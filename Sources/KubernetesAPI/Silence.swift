import KubernetesObjects
import Synchronization

/// When an answer was last heard of.
final class Pulse: Sendable {
    private let last: Mutex<Duration>
    private let patience: Duration
    private let now: @Sendable () -> Duration

    /// - Parameter patience: for how long nothing needs to come, at most.
    init(_ time: Timekeeper, patience: Duration) {
        self.patience = patience
        now = time.now
        last = Mutex(time.now())
    }

    func beat() {
        let now = now()
        last.withLock { $0 = now }
    }

    var silence: Duration { now() - last.withLock { $0 } }

    /// How long it is still to be waited for.
    var rest: Duration { patience - silence }
}

extension APISession {
    /// How often to look whether patience is over.
    private static let look = Duration.seconds(30)

    /// Runs what reads an answer, until it is read or has been silent for too long.
    func whileNotSilent<Result: Sendable>(
        _ pulse: Pulse, _ answer: APIAnswer, _ request: APIRequest,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws(KubernetesError) -> Result {
        do {
            return try await withThrowingTaskGroup(of: Result?.self) { group in
                group.addTask { try await body() }
                group.addTask { [time] in
                    while pulse.rest > .zero { try await time.sleep(min(pulse.rest, Self.look)) }
                    return nil
                }
                defer { group.cancelAll() }
                if let first = try await group.next(), let result = first { return result }
                throw Silent()
            }
        } catch let error as KubernetesError {
            throw error
        } catch {
            let subject = url(answer.address)
            guard !Task.isCancelled else { throw .cancelled(request.action, subject) }
            if error is Silent {
                // A server that accepts and says nothing may do so for ever.
                broke(answer)
                throw KubernetesError(
                    .silent, request.action, subject, cause: "nothing of use came for \(pulse.silence)",
                    advice: "another connection is made")
            }
            throw KubernetesError(
                .interrupted, request.action, subject, cause: transportCause(error), advice: "it is asked again")
        }
    }
}

private struct Silent: Error {}
