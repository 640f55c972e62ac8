import Synchronization

/// Where a source of state leaves batches. A reader that is slow finds one merged batch, never a queue.
package final class BatchMailbox: Sendable {
    private let content = Mutex(BatchAccumulator())
    private let signal: AsyncStream<Void>.Continuation
    package let signals: AsyncStream<Void>

    package init() {
        (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    package func leave(_ batch: StateBatch) {
        if batch.isEmpty { return }
        content.withLock { $0.add(batch) }
        signal.yield()
    }

    package func take() -> StateBatch? {
        content.withLock { $0.take() }
    }

    /// No batch comes any more.
    package func close() { signal.finish() }
}
