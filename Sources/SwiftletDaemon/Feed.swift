import DatapathInstall
import KubernetesAPI
import KubernetesObjects
import Logging
import ManifestDirectory
import NodeNetwork
import ServiceLifecycle
import enum ServiceModel.ClusterEvent

/// Feeds batches to the control plane, one after the other.
struct FeedService<Batches: AsyncSequence & Sendable>: Service
where Batches.Element == StateBatch, Batches.AsyncIterator: SendableMetatype {
    let batches: Batches
    let control: ControlPlane
    /// Ends after the complete list, and the group with it.
    var endsWithFirstList = false
    /// What was known before a restart, for what is refused as it is now.
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
                if let batch = mailbox.take(), try await feed(batch) { break }
            }
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// - Returns: whether there is no more to do.
    private func feed(_ batch: StateBatch) async throws -> Bool {
        guard batch.isInitial else {
            _ = await control.ingest(batch)
            return false
        }
        var batch = batch
        if !batch.hiddenSubjects.isEmpty {
            let known = await lastKnown()
            batch.restoreHidden(from: known)
        }
        let summary = await control.ingestFirst(batch)
        Heap.trim()
        try await onFirstList(summary)
        if endsWithFirstList { await control.reclaim() }
        return endsWithFirstList
    }
}

/// Follows the API servers.
struct ClusterService: Service {
    let source: KubernetesSource

    func run() async throws {
        await cancelWhenGracefulShutdown { await source.run() }
    }
}

/// Writes Events.
struct EventService: Service {
    let recorder: EventRecorder

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await recorder.run()
            // A part that ends early would end the daemon.
            await untilCancelled()
        }
    }
}

/// Follows the node's links, addresses and routes, and tells who needs to know.
struct NetworkService: Service {
    let control: ControlPlane
    /// Nil when no packets are translated.
    let devices: DeviceKeeper?
    let log: Logger
    private static let pause = Duration.seconds(5)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await followNetwork() }
                group.addTask { await followNode() }
            }
        }
    }

    private func followNetwork() async {
        while !Task.isCancelled {
            do {
                for try await snapshot in try NetworkMonitor().snapshots() {
                    await control.setLocalAddresses(snapshot.usableAddresses)
                    await devices?.follow(snapshot)
                    control.wishForEndpoints()
                }
            } catch {
                log.warning("cannot follow the node's network; trying again", metadata: ["cause": "\(error)"])
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    private func followNode() async {
        for await facts in control.nodeChanges { await devices?.follow(facts) }
    }
}

/// Looks anew at which devices lead to endpoints, once for all changes of a second.
struct EndpointDeviceService: Service {
    let control: ControlPlane
    let devices: DeviceKeeper
    private static let pause = Duration.seconds(1)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in control.endpointWishes {
                await devices.follow(control.state)
                try? await Task.sleep(for: Self.pause)
            }
        }
    }
}

/// Frees what the datapath reads no more, each time that there is something.
struct ReclaimService: Service {
    let control: ControlPlane

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in control.reclaimWishes { await control.reclaim() }
        }
    }
}

/// Tries again what failed: each service port after one pause, two, four, eight, and then after every twelve.
struct RetryService: Service {
    let control: ControlPlane
    private static let pause = Duration.seconds(5)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: Self.pause)) != nil { await control.retry() }
        }
    }
}

/// Waits until the task is cancelled.
func untilCancelled() async {
    let never = AsyncStream<Never> { _ in }
    for await _ in never {}
}
