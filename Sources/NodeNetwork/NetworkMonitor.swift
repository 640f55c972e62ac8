import Dispatch
public import Netlink
import Synchronization

/// Follows the links, addresses and default routes of the network namespace of the thread that makes it.
///
/// It owns two netlink sockets and a dispatch source, which end with `stop()` or with the monitor itself.
public final class NetworkMonitor: Sendable {
    private let stream: AsyncStream<Result<NetworkSnapshot, NetworkError>>
    private let continuation: AsyncStream<Result<NetworkSnapshot, NetworkError>>.Continuation
    private let source: Mutex<any DispatchSourceRead>

    /// Subscribes, then reads everything once: no change can fall between.
    public init() throws(NetworkError) {
        // Whoever is slow sees the newest snapshot, never a queue.
        (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        let follower = try NetworkFollower(continuation)
        let source = DispatchSource.makeReadSource(fileDescriptor: follower.notices.descriptor, queue: follower.queue)
        source.setEventHandler { follower.hear() }
        // Keeps the descriptor until the source has let go of it.
        source.setCancelHandler { withExtendedLifetime(follower) {} }
        self.source = Mutex(source)
        // Also after an error, and when the reader has gone: nobody listens any more.
        continuation.onTermination = { [weak self] _ in self?.cancelSource() }
        self.source.withLock { $0.resume() }
    }

    deinit { stop() }

    /// Ends the stream of snapshots.
    public func stop() {
        cancelSource()
        continuation.finish()
    }

    private func cancelSource() { source.withLock { $0.cancel() } }

    /// The snapshots, that of the beginning first; for one reader. Each differs from the one before.
    public func snapshots() -> NetworkSnapshots { NetworkSnapshots(monitor: self) }

    fileprivate func iterator() -> NetworkSnapshots.AsyncIterator {
        NetworkSnapshots.AsyncIterator(monitor: self, results: stream.makeAsyncIterator())
    }
}

/// The snapshots of a `NetworkMonitor`, which lives at least as long as they are read.
public struct NetworkSnapshots: AsyncSequence, Sendable {
    fileprivate let monitor: NetworkMonitor

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let monitor: NetworkMonitor
        fileprivate var results: AsyncStream<Result<NetworkSnapshot, NetworkError>>.AsyncIterator

        /// The next snapshot; nil when the monitor was stopped or the task was cancelled.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(NetworkError) -> NetworkSnapshot? {
            try await results.next(isolation: actor)?.get()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { monitor.iterator() }
}
