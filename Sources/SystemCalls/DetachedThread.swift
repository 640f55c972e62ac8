import Glibc
import Synchronization
package import SystemPackage

/// A thread that runs one closure and ends: for what blocks, and for what cannot go back to a pool of threads.
package enum DetachedThread {
    /// - Returns: why the thread could not be started; nil: it runs.
    package static func start(_ body: @escaping @Sendable () -> Void) -> Errno? {
        let job = UnsafeMutablePointer<@Sendable () -> Void>.allocate(capacity: 1)
        job.initialize(to: body)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { raw in
                let job = raw?.assumingMemoryBound(to: (@Sendable () -> Void).self)
                let body = job?.move()
                job?.deallocate()
                body?()
                return nil
            }, job)
        guard status == 0 else {
            job.deinitialize(count: 1)
            job.deallocate()
            return Errno(rawValue: status)
        }
        pthread_detach(thread)
        return nil
    }

    /// Runs what blocks, while the threads of the caller's pool serve others.
    package static func run<Result: ~Copyable>(
        _ body: @escaping @Sendable () throws -> sending Result
    ) async throws -> sending Result {
        let parcel = try await withCheckedThrowingContinuation {
            (caller: CheckedContinuation<Parcel<Result>, any Error>) in
            let failure = start {
                do {
                    caller.resume(returning: Parcel(try body()))
                } catch {
                    caller.resume(throwing: error)
                }
            }
            if let failure { caller.resume(throwing: failure) }
        }
        return parcel.open()
    }
}

/// Carries a value that is not copied from one thread to another.
private final class Parcel<Content: ~Copyable>: Sendable {
    private let content: Mutex<Content?>

    init(_ content: consuming sending Content) { self.content = Mutex(consume content) }

    /// It is opened once.
    func open() -> sending Content {
        guard let content = content.withLock({ $0.take() }) else { preconditionFailure("the parcel was opened before") }
        return content
    }
}
