import KubernetesAPI
import KubernetesObjects
import ManifestDirectory
import ServiceLifecycle
import enum ServiceModel.ClusterEvent
import SystemCalls

/// Feeds batches to the control plane, one after the other.
struct FeedService<Batches: AsyncSequence & Sendable>: Service
where Batches.Element == StateBatch, Batches.AsyncIterator: SendableMetatype {
    let batches: Batches
    let control: KernelControlPlane
    /// Ends after the complete list, and the group with it.
    var endsWithFirstList = false
    /// What was known before a restart, for what is refused as it is now, and for a Node that is not there.
    var lastKnown: @Sendable () async -> [ClusterEvent] = { [] }
    /// Told of the complete list, which is in the maps by then.
    var onFirstList: @Sendable (IngestSummary) async throws -> Void = { _ in }

    func run() async throws {
        // What comes is counted when it comes, and merged while the control plane is busy.
        let mailbox = BatchMailbox()
        try await withThrowingTaskGroup { group in
            group.addTask {
                defer { mailbox.close() }
                for try await batch in batches.cancelOnGracefulShutdown() {
                    control.arrived(batch)
                    mailbox.leave(batch)
                }
            }
            for await _ in mailbox.signals {
                guard let batch = mailbox.take() else { continue }
                if try await feed(consume batch) { break }
            }
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// - Parameter batch: consumed, since the first one is as large as the state that comes of it.
    /// - Returns: whether there is no more to do.
    private func feed(_ batch: consuming StateBatch) async throws -> Bool {
        guard batch.isInitial else {
            _ = await control.ingest(batch)
            return false
        }
        let hasNode = batch.events.node(named: control.nodeName) != nil
        if !batch.hiddenSubjects.isEmpty || !hasNode {
            let known = await lastKnown()
            batch.restoreHidden(from: known)
            if !hasNode, let node = known.node(named: control.nodeName) { await control.remember(node) }
        }
        let summary = await control.ingestFirst(consume batch)
        try await onFirstList(summary)
        // Not before: hooks attach in there.
        Heap.trim()
        if endsWithFirstList { await control.reclaim() }
        return endsWithFirstList
    }
}
