package import DatapathInstall
import ServiceLifecycle

/// Looks for the cgroups whose sockets are left to the packets: when a directory is told of, and from time to time.
struct LeftCgroupService: ServiceLifecycle.Service {
    let cgroups: LeftCgroups
    let control: KernelControlPlane
    private static let pause = Duration.seconds(5)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { for await _ in cgroups.changes { await look() } }
                group.addTask { while (try? await Task.sleep(for: Self.pause)) != nil { await look() } }
            }
        }
    }

    private func look() async {
        await control.setAttention("cgroups whose sockets are left to the packets", to: await cgroups.look())
    }
}

extension DaemonReport {
    /// The same with the cgroups whose sockets are left to the packets.
    func with(_ left: LeftCgroups.Report?) -> DaemonReport {
        var report = self
        report.leftCgroups = left
        return report
    }
}

extension LeftCgroups.Report {
    /// `sockets of 2 cgroups: kubepods.slice/*envoy*, x/y; no cgroup matches x/y`.
    package var text: String {
        let text = "sockets of \(cgroups.count) \(cgroups.count == 1 ? "cgroup" : "cgroups"): "
        let missing = unmatched.isEmpty ? "" : "; no cgroup matches \(unmatched.joined(separator: ", "))"
        return text + patterns.joined(separator: ", ") + missing
    }
}
