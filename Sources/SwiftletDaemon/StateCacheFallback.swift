import KubernetesObjects
import Logging
import ManifestDirectory
import ServiceLifecycle
import SystemCalls
import SystemPackage

/// Serves the last known state while no API server answers. Nothing is pruned for it.
///
/// Empty maps get it at once: the node boots. What maps hold already may be newer than the cache, which is written some time
/// after a change; they serve on as they are while an API server may still answer soon.
struct StateCacheFallback: ServiceLifecycle.Service {
    let directory: FilePath
    /// See `APIConnection.clusterMarks`.
    let cluster: Set<String>
    let control: KernelControlPlane
    let log: Logger
    private static let patience = Duration.seconds(5)

    func serveIfEmpty() async {
        if await control.hasEmptyMaps { return await serve() }
        // Names, unlike Services, are nowhere else than in this process.
        if control.names != nil, let cached = readCache() { await control.name(cached: cached.batch) }
    }

    private func readCache() -> (batch: StateBatch, summary: StateCacheSummary)? {
        StateCacheService.read(from: directory, node: control.nodeName, cluster: cluster, log: log)
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            if (try? await Task.sleep(for: Self.patience)) != nil { await serve() }
            await untilCancelled()
        }
    }

    private func serve() async {
        guard await control.knowsNothing,
            let cached = readCache(),
            let summary = await control.ingest(cached: cached.batch)
        else { return }
        Heap.trim()
        log.notice(
            "serving the last known state until an API server answers",
            metadata: [
                "services": "\(summary.services)", "objects": "\(cached.summary.objects)",
                "written": "\(cached.summary.time)",
            ])
    }
}
