import KubernetesObjects
import ServiceLifecycle
import enum ServiceModel.ClusterEvent
import SystemCalls

/// Feeds batches to the control plane, one after the other.
struct FeedService: Service {
    let batches: StateBatches
    let control: KernelControlPlane
    /// Ends after the complete list, and the group with it.
    var endsWithFirstList = false
    /// What was known before a restart, for what is refused as it is now, and for a Node that is not there.
    var lastKnown: @Sendable () async -> [ClusterEvent] = { [] }
    /// Told of the complete list, which is in the maps by then.
    var onFirstList: @Sendable (IngestSummary) async throws -> Void = { _ in }

    func run() async throws {
        batches.note { [control] in control.arrived($0) }
        try await withGracefulShutdownHandler {
            var next = batches.makeAsyncIterator()
            while let batch = await next.next() {
                if try await feed(consume batch) { break }
            }
        } onGracefulShutdown: {
            batches.end()
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
