import Glibc

/// A thread that runs one closure and ends.
///
/// `setns(2)` is per thread and a Swift task may change threads at every `await`: what enters a namespace must have a
/// thread of its own.
enum LabThread {
    private struct Job {
        let body: () -> Void
    }

    /// Runs the closure on a new thread while this one waits; throws what the closure throws.
    static func run<Value: ~Copyable>(_ body: () throws -> Value) throws -> Value {
        var outcome: Result<Value, any Error>?
        let status = withoutActuallyEscaping({ outcome = Result { try body() } }) { escapable in
            start(Job(body: escapable))
        }
        guard status == 0 else { throw LabError("start", "a thread", errno: status) }
        guard let ended = outcome.take() else {
            throw LabError("run", "a thread", cause: "it ended without a result")
        }
        return try ended.get()
    }

    /// The job lives on this stack: the thread is joined before the function returns, so nothing runs in parallel.
    private static func start(_ job: Job) -> CInt {
        var thread = pthread_t()
        return withUnsafePointer(to: job) { pointer in
            let status = pthread_create(
                &thread, nil,
                { raw in
                    raw?.assumingMemoryBound(to: Job.self).pointee.body()
                    return nil
                }, UnsafeMutableRawPointer(mutating: pointer))
            guard status == 0 else { return status }
            return pthread_join(thread, nil)
        }
    }
}
