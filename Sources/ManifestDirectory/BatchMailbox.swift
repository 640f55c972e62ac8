import Synchronization

/// Where the watching thread leaves batches. A reader that is slow finds one merged batch, never a queue.
final class BatchMailbox: Sendable {
    private let content = Mutex<ManifestBatch?>(nil)
    private let signal: AsyncStream<Void>.Continuation
    let signals: AsyncStream<Void>

    init() {
        (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    func leave(_ batch: ManifestBatch) {
        if batch.isEmpty { return }
        content.withLock { content in
            if content == nil { content = batch } else { content?.merge(batch) }
        }
        signal.yield()
    }

    func take() -> ManifestBatch? {
        content.withLock { content in
            defer { content = nil }
            return content
        }
    }

    /// No batch comes any more.
    func close() { signal.finish() }
}
