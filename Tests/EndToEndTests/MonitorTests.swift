import Foundation
import NetworkLab
import Testing

/// `swiftlet monitor` tells what connects meet, and leaves the programs as it found them.
@Suite(
    "monitor", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 2, manifests: ["web.yaml": ServedManifests.web, "empty.yaml": ServedManifests.empty]))
struct MonitorTests {
    private struct Record: Decodable {
        struct Process: Decodable { var pid: Int32 }
        var kind: String
        var process: Process?
        var vip: String
        var service: String?
        var backend: String?
        var refused: Bool
        var reason: String
    }

    private func start(_ node: TestNode, _ options: String...) throws -> RunningProcess {
        let command = [Programs.swiftlet, "monitor", "-o", "json", "--bpf-root", node.bpfRoot] + options
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
        let list: [StatusReport.MapFill] = try Programs.decode(
            from: [Programs.swiftlet, "maps", "list", "-o", "json", "--bpf-root", bpfRoot])
        return list.contains { $0.name == "listeners" && $0.entries != 0 }
    }
}
