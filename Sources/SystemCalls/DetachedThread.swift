import Glibc
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
}
