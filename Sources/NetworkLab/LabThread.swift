import CNetworkLab
import Glibc

/// Threads that run one closure and end.
///
/// `setns(2)` is per thread and a Swift task may change threads at every `await`: what enters a namespace must have a
/// thread of its own. Calls that block do not belong on the cooperative pool either.
package enum LabThread {
    private struct Job {
        let body: () -> Void
    }

    /// Runs the closure on a new thread while this one waits; throws what the closure throws.
    package static func run<Value: ~Copyable>(_ body: () throws -> Value) throws -> Value {
        var outcome: Result<Value, any Error>?
        try withoutActuallyEscaping({ outcome = Result { try body() } }) { escapable in
            try runAll([Job(body: escapable)])
        }
        guard let ended = outcome.take() else {
            throw LabError("run", "a thread", cause: "it ended without a result")
        }
        return try ended.get()
    }

    /// Starts the closure on a new thread; dropping the result waits for its end.
    package static func start(_ body: @escaping @Sendable () -> Void) throws(LabError) -> Running {
        var thread = pthread_t()
        let job = UnsafeMutablePointer<Job>.allocate(capacity: 1)
        job.initialize(to: Job(body: body))
        let status = pthread_create(
            &thread, nil,
            { raw in
                let job = raw?.assumingMemoryBound(to: Job.self)
                job?.pointee.body()
                job?.deinitialize(count: 1)
                job?.deallocate()
                return nil
            }, job)
        guard status == 0 else {
            job.deinitialize(count: 1)
            job.deallocate()
            throw LabError("start", "a thread", errno: status)
        }
        return Running(thread: thread)
    }

    /// A thread that was started.
    package struct Running: ~Copyable {
        fileprivate let thread: pthread_t

        deinit { pthread_join(thread, nil) }
    }

    /// Moves the calling thread, which must be one of these threads, into a network namespace for the rest of its life.
    package static func enterNamespace(_ path: String) throws(LabError) {
        let namespace = try Descriptor(opening: path)
        guard lab_enter_network_namespace(namespace.rawValue) == 0 else {
            throw LabError("enter", "network namespace \(path)", errno: errno)
        }
    }

    /// Keeps the calling thread on its processor from now on; `false` where the kernel does not allow it.
    @discardableResult
    package static func stayOnProcessor() -> Bool { lab_stay_on_processor() == 0 }

    /// Runs the closure on `count` threads at once, each with its number, and waits for all.
    package static func parallel(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws(LabError) {
        try runAll((0..<count).map { number in Job { body(number) } })
    }

    /// The jobs live in this call: every thread is joined before it returns or throws.
    private static func runAll(_ jobs: [Job]) throws(LabError) {
        var threads: [pthread_t] = []
        let status: CInt = jobs.withUnsafeBufferPointer { jobs in
            defer { for thread in threads { pthread_join(thread, nil) } }
            for index in jobs.indices {
                guard let job = jobs.baseAddress.map({ $0 + index }) else { return EINVAL }
                var thread = pthread_t()
                let status = pthread_create(
                    &thread, nil,
                    { raw in
                        raw?.assumingMemoryBound(to: Job.self).pointee.body()
                        return nil
                    }, UnsafeMutableRawPointer(mutating: job))
                guard status == 0 else { return status }
                threads.append(thread)
            }
            return 0
        }
        guard status == 0 else { throw LabError("start", "a thread", errno: status) }
    }
}
