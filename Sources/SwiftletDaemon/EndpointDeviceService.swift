import DatapathInstall
import ServiceLifecycle

/// Looks anew at which devices lead to endpoints, once for all changes of a second.
struct EndpointDeviceService: Service {
    let control: KernelControlPlane
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
