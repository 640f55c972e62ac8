import KubernetesAPI
import ServiceLifecycle

/// Follows the API servers.
struct ClusterService: Service {
    let source: KubernetesSource

    func run() async throws {
        await cancelWhenGracefulShutdown { await source.run() }
    }
}
