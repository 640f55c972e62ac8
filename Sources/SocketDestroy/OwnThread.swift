internal import BPFLoader
import Glibc

/// A thread that runs one closure and ends: what enters a network namespace cannot go back to a pool of threads.
///
/// It takes up every capability that is kept for such threads: nothing else in the process has those in effect.
enum OwnThread {
    private struct Job {
        let body: @Sendable () -> Void
    }

    /// Waits for the closure, which may block.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async throws(ThreadError) -> Value {
        let result: Result<Value, ThreadError> = await withCheckedContinuation { continuation in
            let status = start {
                let reserved = ReservedCapabilities.takeUp()
                continuation.resume(returning: .success(body()))
                reserved.putBack()
            }
            if status != 0 { continuation.resume(returning: .failure(ThreadError(number: status))) }
        }
        return try result.get()
    }

    private static func start(_ body: @escaping @Sendable () -> Void) -> Int32 {
        let job = UnsafeMutablePointer<Job>.allocate(capacity: 1)
        job.initialize(to: Job(body: body))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { raw in
                let job = raw?.assumingMemoryBound(to: Job.self)
                let body = job?.move().body
                job?.deallocate()
                body?()
                return nil
            }, job)
        guard status == 0 else {
            job.deinitialize(count: 1)
            job.deallocate()
            return status
        }
        return pthread_detach(thread)
    }
}

/// No thread could be started.
struct ThreadError: Error, CustomStringConvertible {
    let number: Int32

    var description: String { "cannot start a thread: \(String(cString: strerror(number))); raise the limit of tasks" }
}
