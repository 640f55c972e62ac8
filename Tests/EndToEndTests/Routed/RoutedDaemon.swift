import Foundation
import NetworkLab

/// `swiftlet run` on the node of a routed topology. Its hooks serve a cgroup without processes: all is left to packets.
///
/// A class because a node shares it with its tests.
final class RoutedDaemon: Sendable {
    private let cgroup: Cgroup
    private let bpfRoot: String
    private let directory: String
    private let namespace: String
    private let process: RunningProcess

    /// Where sockets are whose connects the hooks translate.
    var cgroupPath: String { cgroup.path }

    init(
        in namespace: String, _ arrangement: Arrangement, _ network: RoutedTopology.PodNetwork, manifests: String
    ) throws {
        self.namespace = namespace
        cgroup = try Cgroup("routed")
        let name = URL(fileURLWithPath: cgroup.path).lastPathComponent
        bpfRoot = "/sys/fs/bpf/\(name)"
        directory = NSTemporaryDirectory() + name
        try FileManager.default.createDirectory(atPath: directory + "/manifests", withIntermediateDirectories: true)
        try manifests.write(toFile: directory + "/manifests/all.yaml", atomically: true, encoding: .utf8)
        let pods = arrangement.seesPods ? ["--pod-interfaces", network.podInterfaces] : []
        let ranges = IPVersion.allCases.map(\.podRange).joined(separator: ",")
        let log = directory + "/log"
        process = try RunningProcess(
            [
                "sh", "-c", #"exec "$@" 2>"$0""#, log, Programs.swiftlet, "run", "--kube-proxy-replacement=true",
                "--manifests", directory + "/manifests", "--node-name", Manifest.nodeName, "--cluster-cidr", ranges,
                "--forwarding", arrangement.redirects ? "redirect" : "stack", "--cgroup-root", cgroup.path,
                "--bpf-root", bpfRoot, "--max-services",
                "1024", "--max-backends", "1024", "--max-slots", "1024", "--max-flows",
                "\(arrangement.flows ?? 32_768)",
            ] + pods, in: namespace, output: .null)
        func said() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
        let isReady = try eventually(within: 60_000) { said().contains("ready") || !process.isRunning }
        guard isReady, process.isRunning else {
            end()
            throw TestFailure("the daemon did not start: \(said())")
        }
    }

    /// Takes away all that it made. Its namespace must be there still, so its owner says when.
    func end() {
        _ = try? process.terminate()
        _ = try? Programs.run([Programs.swiftlet, "cleanup", "--bpf-root", bpfRoot], in: namespace)
        try? FileManager.default.removeItem(atPath: directory)
    }

    func serve(manifests: String) throws {
        try manifests.write(toFile: directory + "/manifests/all.yaml", atomically: true, encoding: .utf8)
    }

    func status() throws -> StatusReport {
        try Programs.decode(from: [Programs.swiftlet, "status", "-o", "json", "--bpf-root", bpfRoot], in: namespace)
    }
}

extension RoutedTopology.PodNetwork {
    /// What a plugin calls its devices is for the daemon to find out.
    fileprivate var podInterfaces: String {
        if case .plugin = self { "auto" } else { "pod-*" }
    }
}
