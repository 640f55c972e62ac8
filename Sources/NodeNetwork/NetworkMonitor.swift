import Dispatch
package import Netlink
import Synchronization

/// Follows the links, addresses, routes and IPsec policies of the network namespace of the thread that makes it.
///
/// It owns netlink sockets and dispatch sources, which end with `stop()` or with the monitor itself.
package final class NetworkMonitor: Sendable {
    private let stream: AsyncStream<Result<NetworkSnapshot, NetworkError>>
    private let continuation: AsyncStream<Result<NetworkSnapshot, NetworkError>>.Continuation
    private let sources: Mutex<[any DispatchSourceRead]>

    /// Subscribes, then reads everything once: no change can fall between.
    package init() throws(NetworkError) {
        // A slow reader sees the newest snapshot, never a queue.
        (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        let follower = try NetworkFollower(continuation)
        var sources = [Self.source(follower.notices.descriptor, of: follower) { $0.hear() }]
        if case .success(let socket) = follower.ipsecNotices {
            sources.append(Self.source(socket.netlink.descriptor, of: follower) { $0.hearOfPolicies() })
        }
        self.sources = Mutex(sources)
        // Also after an error, and when the reader has gone.
        continuation.onTermination = { [weak self] _ in self?.cancelSources() }
        self.sources.withLock { for source in $0 { source.resume() } }
    }

    private static func source(
        _ descriptor: Int32, of follower: NetworkFollower, _ hear: @escaping @Sendable (NetworkFollower) -> Void
    ) -> any DispatchSourceRead {
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: follower.queue)
        source.setEventHandler { hear(follower) }
        // Keeps the descriptor until the source has let go of it.
        source.setCancelHandler { withExtendedLifetime(follower) {} }
        return source
    }

    deinit { stop() }

    /// Ends the stream of snapshots.
    package func stop() {
        cancelSources()
        continuation.finish()
    }

    private func cancelSources() { sources.withLock { for source in $0 { source.cancel() } } }

    /// The snapshots, that of the beginning first; for one reader. Each differs from the one before.
    package func snapshots() -> NetworkSnapshots { NetworkSnapshots(monitor: self) }

    fileprivate func iterator() -> NetworkSnapshots.AsyncIterator {
        NetworkSnapshots.AsyncIterator(monitor: self, results: stream.makeAsyncIterator())
    }
}

/// The snapshots of a `NetworkMonitor`, which lives at least as long as they are read.
package struct NetworkSnapshots: AsyncSequence, Sendable {
    fileprivate let monitor: NetworkMonitor

    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let monitor: NetworkMonitor
        fileprivate var results: AsyncStream<Result<NetworkSnapshot, NetworkError>>.AsyncIterator

        /// The next snapshot; nil when the monitor was stopped or the task was cancelled.
        package mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(NetworkError) -> NetworkSnapshot? {
            try await results.next(isolation: actor)?.get()
        }
    }

    package func makeAsyncIterator() -> AsyncIterator { monitor.iterator() }
}
