import Foundation
import NetworkLab
import Testing

/// One daemon for each bpf root, and a cleanup that knows what is ours.
@Suite(
    "lifecycle", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, manifests: ["web.yaml": ServedManifests.web]))
struct LifecycleTests {
    @Test("a second daemon on the same maps refuses and names the first")
    func refusesSecond() throws {
        let node = try TestNode.current
        try node.start()
        let pid = try #require(node.pid)
        let second = try Programs.run(node.runArguments(), in: node.lab.node.path)
        #expect(second.status == .exited(1))
        #expect(second.output.contains("process \(pid) "), "\(second)")
        #expect(try node.swiftlet("status").status == .exited(0))
    }

    @Test("another /run does not let a second daemon in, and nobody else can take the lock")
    func refusesSecondElsewhere() throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        let pid = try #require(node.pid)
        let lock = "\(node.runDirectory)/lock"
        #expect(try FileManager.default.attributesOfItem(atPath: lock)[.posixPermissions] as? Int == 0o600)
        let moved = "\(node.runDirectory)-moved"
        try FileManager.default.moveItem(atPath: node.runDirectory, toPath: moved)
        defer {
            try? FileManager.default.removeItem(atPath: node.runDirectory)
            try? FileManager.default.moveItem(atPath: moved, toPath: node.runDirectory)
        }
        let second = try Programs.run(node.runArguments(), in: node.lab.node.path)
        #expect(second.status == .exited(1) && second.output.contains("process \(pid) "), "\(second)")
    }

    @Test("cleanup refuses while the daemon runs")
    func refusesCleanup() throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        let pid = try #require(node.pid)
        let cleanup = try node.swiftlet("cleanup")
        #expect(cleanup.status == .exited(1))
        #expect(cleanup.output.contains("process \(pid) "), "\(cleanup)")
        #expect(try node.swiftlet("status").status == .exited(0))
    }

    @Test("SIGTERM and SIGINT leave the datapath working", arguments: [SIGTERM, SIGINT])
    func leavesDatapath(signal: CInt) throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        #expect(try node.stop(with: signal) == .exited(0))
        #expect(node.logText.contains("the datapath works on"))
        #expect(try node.call("10.96.0.15:80", "--count", "5").results == ["ok"])
        #expect(try node.call("10.96.0.15:81").results == ["ECONNREFUSED"])
    }

    @Test(
        "SIGTERM ends the start within a second or so, whatever it is at",
        arguments: ["reading manifests", "loaded programs at tc", "attached the hooks"])
    func stopsWhileStarting(phase: String) throws {
        let node = try TestNode.current
        if node.pid != nil { try node.stop() }
        let services = (0..<8_000).map { number in
            let name = "many-\(number)"
            return Manifest.file(
                Manifest.service(name, ["10.97.\(number / 250).\(number % 250 + 1)"]),
                Manifest.slice(name, Manifest.pods4))
        }
        try node.write(services.joined(separator: "\n---\n"), to: "many.yaml")
        defer { try? node.remove("many.yaml") }
        try node.launch()
        #expect(try eventually { node.logText.contains(phase) })
        let asked = ContinuousClock.now
        #expect(try node.stop() == .exited(0), "\(node.logText)")
        #expect(ContinuousClock.now - asked < .milliseconds(1_500))
        #expect(node.logText.contains("the datapath works on"))
    }

    @Test("cleanup removes everything of ours, and nothing else")
    func cleansUp() throws {
        let node = try TestNode.current
        let bystander = try Bystander(on: node)
        if node.pid == nil { try node.start() }
        let status = try node.status()
        #expect(status.degraded == [])
        #expect(status.hooks.first { $0.name == "connect4" }?.foreign.contains { $0.contains("swl_empty4") } == true)
        #expect(try bystander.attached().contains("swl_connect4"))
        try node.stop()

        let cleanup = try node.swiftlet("cleanup")
        #expect(cleanup.status == .exited(0))
        #expect(cleanup.output.contains("removed \(status.hooks.count) links"), "\(cleanup)")
        #expect(cleanup.output.contains(bystander.map), "what is left is named: \(cleanup)")
        let left = FileManager.default.enumerator(atPath: node.bpfRoot)?.allObjects as? [String]
        #expect(left?.filter { !$0.hasSuffix("maps") && $0 != node.version } == ["\(node.version)/maps/foreign"])
        #expect(try bystander.attached() == ["swl_empty4"])
        #expect(!FileManager.default.fileExists(atPath: node.runDirectory))
        // Not ours any more.
        #expect(try node.call("10.96.0.15:80").results == ["ENETUNREACH"])

        try bystander.remove()
        let again = try node.swiftlet("cleanup")
        #expect(again.status == .exited(0))
        #expect(!FileManager.default.fileExists(atPath: node.bpfRoot))
        let nothing = try node.swiftlet("cleanup")
        #expect(nothing.status == .exited(0))
        #expect(nothing.output.contains("nothing"))
    }

    @Test(
        "without privileges a command says so, and does not say that nothing is there",
        .enabled(if: Unprivileged.canRun, "nobody may not run the programs in this directory"),
        arguments: ["status", "services", "maps", "cleanup"])
    func needsPrivileges(command: String) throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        try node.stop()
        let outcome = try Unprivileged.run([Programs.swiftlet, command, "--bpf-root", node.bpfRoot])
        #expect(outcome.status == .exited(1), "\(outcome)")
        #expect(outcome.output.localizedCaseInsensitiveContains("permission denied"), "\(outcome)")
    }

    private enum Unprivileged {
        static let canRun = (try? run([Programs.swiftlet, "version"]).status) == .exited(0)

        static func run(_ arguments: [String]) throws -> Outcome {
            try Programs.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] + arguments)
        }
    }

    /// Somebody else's program on the same hook, and somebody else's map among ours.
    private struct Bystander {
        let map: String
        private let pins: String
        private let cgroup: String

        private struct Attached: Decodable {
            var name: String
        }

        init(on node: TestNode) throws {
            pins = "\(node.bpfRoot)-bystander"
            cgroup = node.cgroup.path
            map = node.map("foreign")
            if node.pid == nil { try node.start() }
            try Command.run("bpftool", "prog", "loadall", Programs.bystanderObject, pins)
            try Command.run(
                "bpftool", "cgroup", "attach", cgroup, "cgroup_inet4_connect", "pinned", "\(pins)/swl_empty4", "multi")
            try Command.run(
                "bpftool", "map", "create", map, "type", "hash", "key", "4", "value", "4", "entries", "4", "name",
                "foreign")
        }

        /// The names of the programs on the cgroup.
        func attached() throws -> [String] {
            let attached: [Attached]? = try? Programs.decode(from: ["bpftool", "-j", "cgroup", "show", cgroup])
            return (attached ?? []).map(\.name)
        }

        func remove() throws {
            try Command.run(
                "bpftool", "cgroup", "detach", cgroup, "cgroup_inet4_connect", "pinned", "\(pins)/swl_empty4")
            for path in [map, pins] { try FileManager.default.removeItem(atPath: path) }
        }
    }
}
