import KubernetesObjects
import Synchronization

/// When an answer was last heard of.
final class Pulse: Sendable {
    private let last: Mutex<Duration>
    private let now: @Sendable () -> Duration

    init(_ time: Timekeeper) {
        now = time.now
        last = Mutex(time.now())
    }

    func beat() {
        let now = now()
        last.withLock { $0 = now }
    }

    var silence: Duration { now() - last.withLock { $0 } }
}

extension APISession {
    /// Runs what reads an answer, until it is read or has been silent for too long.
    func whileNotSilent<Result: Sendable>(
        _ pulse: Pulse, for limit: Duration, _ answer: APIAnswer, _ request: APIRequest,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws(KubernetesError) -> Result {
        do {
            return try await withThrowingTaskGroup(of: Result?.self) { group in
                group.addTask { try await body() }
                group.addTask { [time] in
                    while pulse.silence < limit { try await time.sleep(limit - pulse.silence) }
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
                // Whoever accepts and says nothing may do so for ever.
                broke(answer)
                throw KubernetesError(
                    .silent, request.action, subject, cause: "not a byte came for \(limit)",
                    advice: "another connection is made")
            }
            throw KubernetesError(
                .interrupted, request.action, subject, cause: transportCause(error), advice: "it is asked again")
        }
    }
}

private struct Silent: Error {}
