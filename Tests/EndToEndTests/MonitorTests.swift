import Foundation
import NetworkLab
import Testing

/// Two doors for clients outside that let nobody in.
private let closed = Manifest.service(
    "closed", ["10.96.0.21"], ports: ["{name: http, port: 80, nodePort: 30021}"], spec: "type: NodePort")
private let gated = Manifest.file(
    Manifest.service(
        "gated", ["10.96.0.22"], ports: ["{port: 80, targetPort: 8080}"],
        spec: "type: LoadBalancer\nloadBalancerSourceRanges: [10.244.0.12/32]", ingress: ["203.0.113.22"]),
    Manifest.slice("gated", Manifest.pods4))

/// `swiftlet monitor` tells what connects meet, and leaves the programs as it found them.
@Suite(
    "monitor", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 2,
        manifests: [
            "web.yaml": ServedManifests.web, "empty.yaml": ServedManifests.empty, "closed.yaml": closed,
            "gated.yaml": gated,
        ]))
struct MonitorTests {
    private struct Record: Decodable {
        struct Process: Decodable { var pid: Int32 }
        var kind: String
        var process: Process?
        var pod: String?
        var client: String?
        var deviceName: String?
        var vip: String
        var service: String?
        var backend: String?
        var refused: Bool
        var reason: String
    }

    private func start(_ node: TestNode, _ options: String...) throws -> RunningProcess {
        let command = [Programs.swiftlet, "monitor", "--bpf-root", node.bpfRoot] + (["-o", "json"] + options)
        let process = try RunningProcess(command, in: node.namespace(of: .node), input: .null)
        #expect(try eventually { try node.isListenedTo() })
        return process
    }

    private func next(_ process: RunningProcess) throws -> Record {
        try JSONDecoder().decode(Record.self, from: Data(try process.readLine(within: 20_000).utf8))
    }

    @Test("tells connects and refusals, and disarms when it ends")
    func tells() throws {
        let node = try TestNode.current
        let process = try start(node)
        _ = try node.call("10.96.0.15:80")
        let connect = try next(process)
        #expect(connect.kind == "connect" && connect.vip == "10.96.0.15:80" && connect.service == "default/web")
        #expect(connect.backend?.hasSuffix(":8080") == true && !connect.refused && connect.reason == "forward")
        #expect((connect.process?.pid ?? 0) > 0)
        _ = try node.call("10.96.0.20:80")
        let refusal = try next(process)
        #expect(refusal.refused && refusal.reason == "refuse_no_backend" && refusal.service == "default/empty")
        _ = try node.call("10.96.0.15:99")
        let unknown = try next(process)
        #expect(unknown.reason == "refuse_unknown_port" && unknown.service == "default/web")

        let second = try node.swiftlet("monitor")
        #expect(second.status == .exited(1) && second.output.contains("another `swiftlet monitor`"), "\(second)")
        process.signal(SIGTERM)
        #expect(try process.wait(within: 10_000) == .exited(0))
        #expect(try !node.isListenedTo())
    }

    @Test("shows what the filters let through")
    func filters() throws {
        let node = try TestNode.current
        let process = try start(node, "--refused", "--service", "empty")
        _ = try node.call("10.96.0.15:80")
        _ = try node.call("10.96.0.15:99")
        _ = try node.call("10.96.0.20:80")
        #expect(try next(process).vip == "10.96.0.20:80")
        _ = try process.terminate()
    }

    @Test("tells flows of clients outside as they begin, and what is refused to them")
    func outside() throws {
        let node = try TestNode.current
        let process = try start(node)
        _ = try node.call("192.0.2.1:30080", "--count", "1", from: .outside)
        let flow = try next(process)
        #expect(flow.kind == "flow" && flow.vip == "192.0.2.1:30080" && flow.service == "default/web")
        #expect(flow.client?.hasPrefix("192.0.2.2:") == true && flow.deviceName == "eth0" && flow.process == nil)
        #expect(flow.backend?.hasSuffix(":8080") == true && !flow.refused && flow.reason == "flow_begun")
        _ = try node.call("192.0.2.1:30021", from: .outside)
        let refusal = try next(process)
        #expect(refusal.kind == "flow" && refusal.refused && refusal.reason == "refuse_no_backend")
        #expect(refusal.service == "default/closed" && refusal.backend == nil)
        _ = try process.terminate()

        let filtered = try start(node, "--refused", "--service", "gated", "-o", "text")
        for target in ["192.0.2.1:30080", "192.0.2.1:30021", "203.0.113.22:80"] {
            _ = try node.call(target, "--timeout", "300", from: .outside)
        }
        let line = try filtered.readLine(within: 20_000)
        #expect(line.contains(" flow    192.0.2.2:") && line.contains(" at eth0 203.0.113.22:80/TCP default/gated "))
        #expect(line.hasSuffix("refused: the client is not in loadBalancerSourceRanges"), "\(line)")
        _ = try filtered.terminate()
    }

    @Test("shows the calls of one pod among others', by its cgroup and kubelet's directory of its logs")
    func onePod() throws {
        let node = try TestNode.current
        let pods = try LabPods(node, named: "shop_web-7f")
        defer { pods.remove() }
        let logs = pods.logs
        let process = try start(node, "--pod", "shop/web-7f", "--pod-logs-dir", logs)
        _ = try node.call("10.96.0.20:80")
        let call = [Programs.lab, "call", "10.96.0.15:80"]
        let _: CallReport = try Programs.decode(from: call, in: node.namespace(of: .node), cgroup: pods.container)
        let record = try next(process)
        #expect(record.vip == "10.96.0.15:80" && record.pod == "shop/web-7f" && record.kind == "connect")
        _ = try process.terminate()

        let blind = try node.swiftlet("monitor", "--pod", "shop/web-7f", "--pod-logs-dir", "\(logs)/none")
        #expect(blind.status == .exited(1) && blind.output.contains("\(logs)/none"), "\(blind)")
    }

    @Test("shows the calls of one process among others'")
    func oneProcess() throws {
        let node = try TestNode.current
        let others = try node.startLoad("10.96.0.15:80", ["--rate", "50", "--seconds", "60"])
        let load = try node.startLoad("10.96.0.15:80", ["--rate", "20", "--seconds", "60"])
        let process = try start(node, "--pid", "\(load.pid)")
        for _ in 0..<5 { #expect(try next(process).process?.pid == load.pid) }
        _ = try process.terminate()
        _ = try node.finish(load: load, now: true)
        _ = try node.finish(load: others, now: true)
    }

    @Test("prints no more lines a second than it may, and counts the others")
    func rate() throws {
        let node = try TestNode.current
        let process = try start(node, "--rate", "2")
        let load = try node.startLoad("10.96.0.15:80", ["--rate", "100", "--seconds", "60"])
        var line = ""
        var shown = 0
        repeat {
            line = try process.readLine(within: 20_000)
            shown += line.contains("dropped") ? 0 : 1
        } while !line.contains("dropped") && shown < 100
        #expect(line.hasPrefix(#"{"dropped":"#) && (2...4).contains(shown), "\(shown) before \(line)")
        _ = try process.terminate()
        _ = try node.finish(load: load, now: true)
    }

    @Test("is forgotten after kill -9, and another one may listen")
    func survivesKill() throws {
        let node = try TestNode.current
        let process = try start(node)
        process.signal(SIGKILL)
        _ = try process.wait(within: 10_000)
        #expect(
            try eventually(within: 20_000) {
                _ = try node.call("10.96.0.15:80")
                return try !node.isListenedTo()
            })
        let next = try start(node)
        _ = try next.terminate()
    }
}

extension TestNode {
    /// Whether the programs tell of events.
    func isListenedTo() throws -> Bool {
        let list: MapsReport = try Programs.decode(
            from: [Programs.swiftlet, "maps", "list", "-o", "json", "--bpf-root", bpfRoot])
        return list.maps.contains { $0.name == "listeners" && $0.entries != 0 }
    }
}

/// Where pods' sockets are left to packets, an event is one of a device, and still a pod's.
@Suite(
    "monitor, flows of pods", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 2, flags: ["--socket-lb=host", "--pod-interfaces=auto"], manifests: ["web.yaml": ServedManifests.web]))
struct PodFlowTests {
    @Test("a flow that begins at a pod's device is told with the pod")
    func podFlow() throws {
        let node = try TestNode.current
        let pods = try LabPods(node, named: "shop_web-7f")
        defer { pods.remove() }
        let command = [
            Programs.swiftlet, "monitor", "--bpf-root", node.bpfRoot, "-o", "json", "--pod", "shop/web-7f",
            "--pod-logs-dir", pods.logs,
        ]
        let process = try RunningProcess(command, in: node.namespace(of: .node), input: .null)
        #expect(try eventually { try node.isListenedTo() })
        // Of a pod that is not asked after.
        _ = try node.call("10.96.0.15:80", from: .pod(2))
        let call = [Programs.lab, "call", "10.96.0.15:80"]
        let _: CallReport = try Programs.decode(from: call, in: node.namespace(of: .pod(1)), cgroup: pods.container)
        let line = try process.readLine(within: 20_000)
        struct Record: Decodable { var kind, pod, client, vip: String }
        let record = try JSONDecoder().decode(Record.self, from: Data(line.utf8))
        #expect(record.kind == "flow" && record.pod == "shop/web-7f" && record.vip == "10.96.0.15:80")
        #expect(record.client.hasPrefix("10.244.0.11:"), "\(line)")
        _ = try process.terminate()
    }
}

/// A pod's cgroup as systemd names it, and kubelet's directory of its logs.
private struct LabPods {
    let slice: String
    let container: String
    let logs: String

    init(_ node: TestNode, named name: String) throws {
        let uid = "0b5e1c7a-1111-2222-3333-444455556666"
        slice = "\(node.cgroup.path)/kubepods-pod\(uid.replacing("-", with: "_")).slice"
        container = "\(slice)/cri-containerd-12.scope"
        logs = "\(node.directory)/pods"
        for directory in [container, "\(logs)/\(name)_\(uid)"] {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
    }

    func remove() { for directory in [container, slice] { rmdir(directory) } }
}
