import Foundation
import NetworkLab
import Testing

/// A kube-proxy's command line and file, on a node.
@Suite(
    "kube-proxy's command", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, manifests: ["web.yaml": ServedManifests.web]))
struct KubeProxyCommandTests {
    /// A file of kube-proxy's that has what swiftlet needs beside it.
    private func writeFile(on node: TestNode) throws -> String {
        let file = "\(node.directory)/config.conf"
        let text = """
            apiVersion: kubeproxy.config.k8s.io/v1alpha1
            kind: KubeProxyConfiguration
            hostnameOverride: \(Manifest.nodeName)
            mode: ipvs
            ipvs: {scheduler: rr}
            conntrack: {min: 131072}
            swiftlet:
              kubeProxyReplacement: true
              manifests: [\(node.manifests)]
              cgroupRoot: \(node.cgroup.path)
              bpfRoot: \(node.bpfRoot)
              maxServices: 1024
              maxBackends: 4096
              maxSlots: 8192
            """
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    private func run(_ arguments: [String], on node: TestNode) throws -> Outcome {
        try Programs.run([Programs.swiftlet, "run"] + arguments, in: node.lab.node.path)
    }

    @Test("it initialises and exits, names once what has no effect, and cleans up")
    func initialisesAndCleansUp() throws {
        let node = try TestNode.current
        let file = try writeFile(on: node)
        let initialised = try run(
            ["--config", file, "--init-only", "--proxy-mode=ipvs", "--conntrack-min", "5", "-v=2"], on: node)
        #expect(initialised.status == .exited(0), "\(initialised)")
        let notices = initialised.output.split(separator: "\n").filter { $0.contains("ignored settings") }
        #expect(notices.count == 1, "\(initialised)")
        for name in ["--proxy-mode", "ipvs.scheduler", "mode", "--conntrack-min", "conntrack.min"] {
            #expect(notices.first?.contains(name) == true, "\(name): \(notices)")
        }
        #expect(try node.call("10.96.0.15:80", "--count", "5").results == ["ok"])

        let cleaned = try run(["--config", file, "--cleanup"], on: node)
        #expect(cleaned.status == .exited(0), "\(cleaned)")
        #expect(cleaned.output.contains("removed"), "\(cleaned)")
        #expect(!FileManager.default.fileExists(atPath: node.bpfRoot))
    }

    @Test("the kernel is told how to rate the process")
    func adjustsScore() throws {
        let node = try TestNode.current
        try node.start(with: Array(node.runArguments().dropFirst()) + ["--oom-score-adj=123"])
        let pid = try #require(node.pid)
        let score = try String(contentsOfFile: "/proc/\(pid)/oom_score_adj", encoding: .utf8)
        #expect(score == "123\n")
        try node.stop()
    }
}
