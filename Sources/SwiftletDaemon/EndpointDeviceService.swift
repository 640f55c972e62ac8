import DatapathInstall
import ServiceLifecycle

/// Looks anew at which devices lead to endpoints, once for all changes of a moment: of a longer one where the cluster is large,
/// since each look is at all of its endpoints, and changes wait for the copy of what is known that it takes.
struct EndpointDeviceService: Service {
    let control: KernelControlPlane
    let devices: DeviceKeeper
    /// The pause is so many times as long as the look, and within these bounds.
    private static let share = 200.0
    private static let (shortest, longest) = (Duration.milliseconds(200), Duration.seconds(60))

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in control.endpointWishes {
                let look = await devices.follow(control.state)
                try? await Task.sleep(for: min(max(look * Self.share, Self.shortest), Self.longest))
            }
        }
    }
}
