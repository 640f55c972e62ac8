import KubernetesAPI
import ServiceLifecycle

/// Follows the API servers, from the moment on in which this is made: that is before the services of the daemon run.
struct ClusterService: Service {
    let source: KubernetesSource
    private let following: Task<Void, Never>

    init(_ source: KubernetesSource) {
        self.source = source
        following = Task { await source.run() }
    }

    /// For a start that fails.
    func cancel() { following.cancel() }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskCancellationHandler {
                await following.value
            } onCancel: {
                following.cancel()
            }
        }
    }
}
