import Glibc

/// A thread that ends with its closure, and that nobody waits for.
enum DetachedThread {
    /// - Returns: 0, or the error number when the thread could not be started.
    static func start(_ body: @escaping @Sendable () -> Void) -> Int32 {
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
            return status
        }
        return pthread_detach(thread)
    }
}
