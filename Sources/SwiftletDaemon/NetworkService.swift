import DatapathInstall
import Logging
import NodeNetwork
import ServiceLifecycle

/// Follows the node's links, addresses and routes, and tells the parts that need to know.
struct NetworkService: Service {
    let control: KernelControlPlane
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
                    control.names?.follow(snapshot)
                    await control.setLocalAddresses(
                        snapshot.usableAddresses, podRoutes: snapshot.podRoutes, held: snapshot.heldAddresses)
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
