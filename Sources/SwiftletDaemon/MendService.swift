import DatapathInstall
import ServiceLifecycle

/// Looks after the kernel's part from time to time: neither an unmounted file system nor a removed link is announced.
struct MendService: ServiceLifecycle.Service {
    let keeper: DatapathKeeper
    let control: KernelControlPlane
    /// A few dozen calls of the kernel each.
    private static let pause = Duration.seconds(5)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: Self.pause)) != nil {
                await control.setAttention("the datapath is damaged", to: await keeper.mend())
            }
        }
    }
}
