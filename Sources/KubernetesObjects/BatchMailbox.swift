import Synchronization

/// Where a source of state leaves batches. A reader that is slow finds one merged batch, never a queue.
package final class BatchMailbox: Sendable {
    private struct State {
        var content = BatchAccumulator()
        var arrived: (@Sendable (StateBatch) -> Void)?
    }

    private let state = Mutex(State())
    private let signal: AsyncStream<Void>.Continuation
    fileprivate let signals: AsyncStream<Void>

    package init() {
        (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    package func leave(_ batch: StateBatch) {
        if batch.isEmpty { return }
        state.withLock { state in
            // Before the reader can have taken it.
            state.arrived?(batch)
            state.content.add(batch)
        }
        signal.yield()
    }

    fileprivate func take() -> StateBatch? {
        state.withLock { $0.content.take() }
    }

    fileprivate func note(_ arrived: @escaping @Sendable (StateBatch) -> Void) {
        state.withLock { state in
            state.arrived = arrived
            guard let waiting = state.content.take() else { return }
            arrived(waiting)
            state.content.add(waiting)
        }
    }

    /// No batch comes any more.
    package func close() { signal.finish() }
}

/// The batches of a source, the complete list first; for one reader. A slow reader gets several merged into one.
package struct StateBatches: AsyncSequence, Sendable {
    private let mailbox: BatchMailbox
    private let source: (any AnyObject & Sendable)?

    /// - Parameter source: lives at least as long as they are read.
    package init(in mailbox: BatchMailbox, of source: (any AnyObject & Sendable)? = nil) {
        self.mailbox = mailbox
        self.source = source
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let batches: StateBatches
        fileprivate var signals: AsyncStream<Void>.AsyncIterator

        /// The next batch; nil when there are no more, or the task was cancelled.
        package mutating func next(isolation actor: isolated (any Actor)?) async -> StateBatch? {
            while await signals.next(isolation: actor) != nil {
                if let batch = batches.mailbox.take() { return batch }
            }
            return nil
        }
    }

    package func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(batches: self, signals: mailbox.signals.makeAsyncIterator())
    }

    /// Tells of what waits already, and from now on of each batch before it can be read, however busy the reader is.
    /// Nothing else comes or goes meanwhile: `arrived` returns at once, and leaves no batch itself.
    package func note(_ arrived: @escaping @Sendable (StateBatch) -> Void) { mailbox.note(arrived) }

    /// The reader wants no more.
    package func end() { mailbox.close() }
}
