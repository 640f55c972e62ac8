import ServiceLifecycle

/// Tries again what failed: each service port after one pause, two, four, eight, and then after every twelve.
struct RetryService: Service {
    let control: KernelControlPlane
    private static let pause = Duration.seconds(5)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: Self.pause)) != nil { await control.retry() }
        }
    }
}
