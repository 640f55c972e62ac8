import Foundation
import NetworkLab
import Testing

private let ports = ["{name: http, port: 80}", "{name: echo, port: 53, protocol: UDP}"]
private let slicePorts = ["{name: http, port: 8080, protocol: TCP}", "{name: echo, port: 8080, protocol: UDP}"]
private let web = Manifest.file(
    Manifest.service("web", ["10.96.0.60", "fd00:96::60"], ports: ports),
    Manifest.slice("web", Manifest.pods4, ports: slicePorts), Manifest.slice("web", Manifest.pods6, ports: slicePorts))

/// A directory below the cgroup that is served; it is removed on every path.
private final class Group {
    let path: String

    init(_ name: String, below parent: String) throws {
        path = "\(parent)/\(name)"
        guard mkdir(path, 0o755) == 0 else { throw TestFailure("cannot make \(path): \(ErrnoName.name(of: errno))") }
    }

    deinit {
        // One whose last process just ended is busy for some milliseconds.
        for _ in 0..<400 where rmdir(path) != 0 && errno == EBUSY { usleep(5_000) }
    }
}

/// Sockets of processes below some cgroups are left to the packets.
@Suite(
    "cgroups whose sockets are left to the packets", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 3, flags: ["--socket-lb-exclude-cgroups", "pods/**/left-*, alone", "--pod-interfaces", "auto"],
        manifests: ["web.yaml": web]))
struct LeftCgroupTests {
    private static let targets = ["10.96.0.60", "[fd00:96::60]"]

    /// What a client of pod 1 in a cgroup gets from the Service by TCP, by UDP and by sendto.
    private func call(
        _ target: String, in group: String, from place: TestNode.Place = .pod(1)
    ) throws -> [CallReport] {
        let node = try TestNode.current
        return try [
            [target + ":80"], [target + ":53", "--udp"], [target + ":53", "--udp", "--unconnected"],
        ].map {
            try Programs.decode(
                from: [Programs.lab, "call"] + $0 + ["--timeout", "500"], in: node.namespace(of: place), cgroup: group)
        }
    }

    /// How many calls of sockets were left alone although they were about a Service.
    private func passed() throws -> Int { try TestNode.current.status().counters["pass_host_only"] ?? 0 }

    private func left() throws -> [String] {
        let node = try TestNode.current
        return try node.status().daemon?.leftCgroups?.cgroups ?? []
    }

    /// Waits until the programs are told.
    private func expectLeft(_ path: String) throws {
        #expect(try eventually { try left().contains(path) }, "\(path)")
    }

    @Test("one that is made while the daemon runs counts, so does what is made below it, and others do not")
    func below() throws {
        let node = try TestNode.current
        let pods = try Group("pods", below: node.cgroup.path)
        let slice = try Group("besteffort", below: pods.path)
        let group = try Group("left-mesh", below: slice.path)
        try expectLeft(group.path)
        let inner = try Group("container", below: group.path)
        let other = try Group("served", below: slice.path)
        for target in Self.targets {
            for path in [group.path, inner.path] {
                let before = try passed()
                for report in try call(target, in: path) {
                    #expect(report.results == ["ok"], "\(target) in \(path): the packets are translated")
                    #expect(report.pods.isSubset(of: ["pod-1", "pod-2", "pod-3"]))
                }
                #expect(try passed() == before + 3, "no hook has translated")
                for report in try call(target, in: path, from: .node) {
                    #expect(report.results != ["ok"], "nothing leads there from the node, and no hook does")
                }
            }
            let before = try passed()
            for report in try call(target, in: other.path) { #expect(report.results == ["ok"]) }
            #expect(try passed() == before)
        }
        withExtendedLifetime((pods, slice, group, inner, other)) {}
    }

    @Test("one that is there before the start counts from the first call on, and is forgotten with its directory")
    func beforeStart() throws {
        let node = try TestNode.current
        let alone = try Group("alone", below: node.cgroup.path)
        try node.stop()
        try node.start()
        #expect(try left() == [alone.path])
        #expect(try call("10.96.0.60", in: alone.path, from: .node)[0].results != ["ok"])
        let path = alone.path
        _ = consume alone
        #expect(try eventually { try left() == [] }, "\(path) is gone")
        #expect(try node.status().maps.first { $0.name == "left_cgroups" }?.entries == 0)
    }

    @Test("a connect that waits when its Service comes waits on, and is answered by the packets")
    func waits() throws {
        let node = try TestNode.current
        let alone = try Group("alone", below: node.cgroup.path)
        try expectLeft(alone.path)
        func ip(_ arguments: String...) throws {
            try Command.run(["nsenter", "--net=\(node.lab.node.path)", "ip"] + arguments)
        }
        // Nobody answers, not even with an error.
        try ip("route", "add", "blackhole", "10.96.0.66")
        try ip("route", "add", "blackhole", "fd00:96::66")
        let calls = try ["10.96.0.66:80", "[fd00:96::66]:80"].map {
            try RunningProcess(
                [Programs.lab, "call", $0, "--timeout", "9000"], in: node.namespace(of: .pod(1)), cgroup: alone.path)
        }
        usleep(1_500_000)
        try node.write(
            Manifest.file(
                Manifest.service("late", ["10.96.0.66", "fd00:96::66"], ports: ports),
                Manifest.slice("late", Manifest.pods4, ports: slicePorts),
                Manifest.slice("late", Manifest.pods6, ports: slicePorts)), to: "late.yaml")
        defer { try? node.remove("late.yaml") }
        for call in calls {
            let report = try JSONDecoder().decode(CallReport.self, from: Data(call.readToEnd().utf8))
            #expect(report.results == ["ok"], "by its third SYN: \(report.attempts)")
            _ = try call.wait()
        }
        withExtendedLifetime(alone) {}
    }

    @Test("explain --pid and status say so")
    func told() throws {
        let node = try TestNode.current
        let alone = try Group("alone", below: node.cgroup.path)
        try expectLeft(alone.path)
        let process = try RunningProcess(["sleep", "60"], in: node.namespace(of: .pod(1)), cgroup: alone.path)
        let host = try RunningProcess(["sleep", "60"], in: node.namespace(of: .node), cgroup: alone.path)
        defer { for sleeper in [process, host] { _ = try? sleeper.terminate() } }
        func explain(_ pid: pid_t) throws -> String {
            try Programs.run(
                [Programs.swiftlet, "explain", "web", "--pid", "\(pid)", "--bpf-root", node.bpfRoot],
                in: node.lab.node.path
            ).output
        }
        let said = try explain(process.pid)
        #expect(said.contains("is in \(alone.path), whose sockets --socket-lb-exclude-cgroups leaves"), "\(said)")
        let status = try Programs.run([Programs.swiftlet, "status", "--bpf-root", node.bpfRoot]).output
        #expect(
            status.contains("sockets of 1 cgroup: pods/**/left-*, alone; no cgroup matches pods/**/left-*"), "\(status)"
        )
        #expect(!status.contains("do not reach NodePorts"), "there is none")
        let door = Manifest.service(
            "door", ["10.96.0.67"], ports: ["{name: http, port: 80, nodePort: 30067}"], spec: "type: NodePort")
        try node.write(door, to: "door.yaml")
        func hasRisk() throws -> Bool {
            try node.status().daemon?.risks.contains {
                $0.contains("--socket-lb-exclude-cgroups leaves to the packets do not reach NodePorts")
            } ?? false
        }
        #expect(try eventually { try hasRisk() })
        try node.remove("door.yaml")
        #expect(try eventually { try !hasRisk() })
        let deeper = try Group("pods", below: node.cgroup.path)
        let group = try Group("left-mesh", below: deeper.path)
        try expectLeft(group.path)
        let next = try Programs.run([Programs.swiftlet, "status", "--bpf-root", node.bpfRoot]).output
        #expect(next.contains("sockets of 2 cgroups: pods/**/left-*, alone\n"), "\(next)")
        withExtendedLifetime((deeper, group)) {}
        #expect(try node.status().degraded == [])
    }

    @Test("without the setting everything is served again")
    func withoutSetting() throws {
        let node = try TestNode.current
        let alone = try Group("alone", below: node.cgroup.path)
        try expectLeft(alone.path)
        try node.stop()
        #expect(try call("10.96.0.60", in: alone.path, from: .node)[0].results != ["ok"], "the datapath works on")
        try node.start(with: Array(node.runArguments().dropFirst()) + ["--socket-lb-exclude-cgroups", ""])
        defer {
            _ = try? node.stop()
            try? node.start()
        }
        #expect(try call("10.96.0.60", in: alone.path, from: .node)[0].results == ["ok"])
    }
}
