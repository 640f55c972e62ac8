import Synchronization

/// Where a source of state leaves batches. A reader that is slow finds one merged batch, never a queue.
package final class BatchMailbox: Sendable {
    private let content = Mutex<StateBatch?>(nil)
    private let signal: AsyncStream<Void>.Continuation
    package let signals: AsyncStream<Void>

    package init() {
        (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    package func leave(_ batch: StateBatch) {
        if batch.isEmpty { return }
        content.withLock { content in
            if content == nil { content = batch } else { content?.merge(batch) }
        }
        signal.yield()
    }

    package func take() -> StateBatch? {
        content.withLock { content in
            defer { content = nil }
            return content
        }
    }

    /// No batch comes any more.
    package func close() { signal.finish() }
}
