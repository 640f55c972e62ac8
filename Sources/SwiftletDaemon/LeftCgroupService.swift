package import DatapathInstall
import ServiceLifecycle
import ServiceModel
import Settings

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

/// What the packets of the node's own sockets cannot do: those to its own addresses go over `lo`, which has no programs.
struct NodePortUse: Sendable {
    /// Of NodePorts that serve.
    var protocols: Set<IPProtocol> = []
    /// Some are of Services whose annotation leaves sockets to the packets.
    var areLeft = false

    /// The processes that do not reach them by the node's own addresses; nil: all do.
    func missed(by sockets: SocketService, leavesCgroups: Bool) -> String? {
        if protocols.contains(where: { !sockets.serves($0) }) { return "--socket-lb=\(sockets.rawValue)" }
        if leavesCgroups, !protocols.isEmpty { return "--socket-lb-exclude-cgroups" }
        return areLeft ? "the annotation \(Service.socketsAnnotation)" : nil
    }
}

extension DaemonReport {
    /// The same with the cgroups whose sockets are left to the packets.
    func with(_ left: LeftCgroups.Report?, _ nodePorts: NodePortUse) -> DaemonReport {
        var report = self
        report.leftCgroups = left
        let sockets = socketLB.flatMap(SocketService.init(rawValue:)) ?? .full
        if let cause = nodePorts.missed(by: sockets, leavesCgroups: left?.cgroups.isEmpty == false) {
            report.risks.append(
                "processes of this node whose sockets \(cause) leaves to the packets do not reach NodePorts by the node's own "
                    + "addresses: these packets go over lo; they can ask a ClusterIP or another node")
        }
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
