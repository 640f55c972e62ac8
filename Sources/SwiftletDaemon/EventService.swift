import KubernetesAPI
import ServiceLifecycle

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

/// Waits until the task is cancelled.
func untilCancelled() async {
    let never = AsyncStream<Never> { _ in }
    for await _ in never {}
}
