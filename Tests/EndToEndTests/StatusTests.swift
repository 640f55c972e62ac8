import Foundation
import NetworkLab
import Testing

@Suite(
    "status", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 1, manifests: ["web.yaml": ServedManifests.web, "empty.yaml": ServedManifests.empty]))
struct StatusTests {
    @Test("all is well: exit code 0, and every field is there")
    func isWell() throws {
        let node = try TestNode.current
        let text = try node.swiftlet("status")
        #expect(text.status == .exited(0))
        #expect(text.output.contains("all is well"))

        let report = try node.status()
        #expect(report.degraded == [])
        #expect(report.probe == "effective")
        #expect(report.cgroupRoot == node.cgroup.path)
        #expect(report.bpfRoot == node.bpfRoot)
        #expect(report.hooks.count == 11)
        #expect(report.hooks.allSatisfy { $0.isAttached && $0.linkID != nil && $0.program?.hasPrefix("swl_") == true })
        #expect(Set(report.hooks.compactMap(\.linkID)).count == 11)
        #expect(!report.features.isEmpty)
        #expect(
            report.maps.contains { $0.name == "services4" && $0.entries > 0 && $0.capacity == 1024 && $0.memory > 0 })
        let daemon = try #require(report.daemon)
        #expect(daemon.pid == node.pid)
        #expect(daemon.nodeName == Manifest.nodeName)
        #expect(daemon.kubeProxyReplacement)
        #expect(daemon.cgroupRoot == node.cgroup.path)
        #expect(daemon.sources == ["directory \(node.manifests)"])
        #expect(Set(daemon.nodePortAddresses) == ["192.0.2.1", "2001:db8::1", "127.0.0.1", "::1"])
        // web and empty: two ports in two families each; web has 3 pods for each.
        #expect(daemon.desired == .init(services: 2, servicePorts: 8, frontends: 24, backends: 12))
        #expect(daemon.programmed == daemon.desired)
        #expect(daemon.lastEventAt != nil)
        #expect(daemon.residentBytes > 1_000_000)
    }

    @Test("looking raises no counter")
    func countsNothing() throws {
        let node = try TestNode.current
        let before = try node.status().counters
        for _ in 0..<3 { #expect(try node.status().probe == "effective") }
        #expect(try node.status().counters["refuse_unknown_port"] == before["refuse_unknown_port"])
        #expect(try node.call("10.96.0.15:4711").results == ["ECONNREFUSED"])
        #expect(try node.status().counters["refuse_unknown_port"] == (before["refuse_unknown_port"] ?? 0) + 1)
    }

    @Test("--watch says when the verdict changes, and --wait takes a span")
    func watches() throws {
        let node = try TestNode.current
        let watch = try RunningProcess(
            [Programs.swiftlet, "status", "--watch", "--brief", "--bpf-root", node.bpfRoot], in: node.lab.node.path)
        defer { watch.signal(SIGKILL) }
        #expect(try watch.readLine(within: 20_000).hasSuffix("Z  ok"))
        try node.write("kind: Service\napiVersion: v1\nmetadata: {name: bad}\nspec: {ports: 7}\n", to: "bad.yaml")
        #expect(try watch.readLine(within: 20_000).contains("Z  degraded: "))
        try node.remove("bad.yaml")
        #expect(try watch.readLine(within: 20_000).hasSuffix("Z  ok"))
        watch.signal(SIGINT)
        #expect(try watch.wait(within: 10_000) == .exited(0), "Ctrl-C is how a watch ends")
        #expect(try node.swiftlet("status", "--brief", "--wait", "20s").output == "ok\n")
        #expect(try node.swiftlet("status", "--wait", "soon").status == .exited(2))
    }

    @Test("colours are for terminals only")
    func isPlain() throws {
        let node = try TestNode.current
        for command in [["status"], ["services"], ["maps"], ["services", "web"]] {
            let outcome = try Programs.run([Programs.swiftlet] + command + ["--bpf-root", node.bpfRoot])
            #expect(!outcome.output.contains("\u{1b}"))
        }
    }

    @Test("a hook that was detached is named, and the next start heals it", arguments: ["connect4", "recvmsg6"])
    func namesDetachedHook(hook: String) throws {
        let node = try TestNode.current
        for detach in [["bpftool", "link", "detach", "pinned", node.link(hook)], ["rm", node.link(hook)]] {
            // A daemon would attach it again.
            try node.stop()
            try Command.run(detach)
            let outcome = try node.swiftlet("status")
            #expect(outcome.status == .exited(3))
            #expect(outcome.output.contains("\(hook) is not attached"), "\(outcome)")
            let report = try node.status()
            #expect(report.hooks.filter { !$0.isAttached }.map(\.name) == [hook])
            #expect(report.probe == (hook == "connect4" ? "ineffective" : "effective"))
            try node.start()
            #expect(try node.swiftlet("status").status == .exited(0))
        }
    }

    @Test("without a daemon the datapath works, and status says what is missing")
    func missesDaemon() throws {
        let node = try TestNode.current
        try node.stop()
        let outcome = try node.swiftlet("status")
        #expect(outcome.status == .exited(3))
        #expect(outcome.output.contains("no daemon runs"))
        let report = try node.status()
        #expect(report.daemon == nil)
        #expect(report.probe == "effective")
        #expect(report.cgroupRoot == node.cgroup.path)
        #expect(try node.services()["web"]?.type == "unknown")
        try node.start()
    }

    @Test("where nothing is loaded, each command says so and fails", arguments: ["status", "services", "maps"])
    func saysNothingIsLoaded(command: String) throws {
        let outcome = try Programs.run([
            Programs.swiftlet, command, "--bpf-root", "/sys/fs/bpf/swl-\(getpid())-nothing",
        ])
        #expect(outcome.status == .exited(1))
        #expect(outcome.output.contains("nothing is loaded"))
    }

    @Test(
        "output that cannot be written is a failure, and a watch ends with its reader",
        arguments: ["services", "services --watch", "status --watch"])
    func lostOutput(words: String) throws {
        let node = try TestNode.current
        let command = "\(Programs.swiftlet) \(words) --bpf-root \(node.bpfRoot)"
        if words == "services" {
            let full = try Programs.run(["/bin/sh", "-c", "\(command) > /dev/full"], in: node.lab.node.path)
            #expect(full.status == .exited(1) && full.output.contains("no space left on device"), "\(full)")
        } else {
            let gone = ["/bin/bash", "-c", "timeout 30 \(command) | head -n 1 > /dev/null; exit ${PIPESTATUS[0]}"]
            #expect(try Programs.run(gone, in: node.lab.node.path).status == .exited(0))
        }
    }

    @Test("a daemon that hangs is asked once, and named")
    func hangs() throws {
        let node = try TestNode.current
        let pid = try #require(try node.status().daemon?.pid)
        kill(pid, SIGSTOP)
        defer { kill(pid, SIGCONT) }
        let begin = ContinuousClock.now
        let status = try node.swiftlet("status")
        #expect(status.status == .exited(3) && status.output.contains("the daemon (process \(pid)) does not answer"))
        // Five seconds for its answer; with the probe's two it was fifteen.
        #expect(ContinuousClock.now - begin < .seconds(9))
        let explained = try node.swiftlet("explain", "web")
        #expect(
            explained.status == .exited(1) && explained.output.contains("(process \(pid)) does not answer"),
            "\(explained)")
    }

    @Test("help of what is no command is wrong usage")
    func helpOfNothing() throws {
        let outcome = try Programs.run([Programs.swiftlet, "help", "stats"])
        #expect(
            outcome.status == .exited(2) && outcome.output.contains("there is no help of stats; did you mean status?"))
        #expect(try Programs.run([Programs.swiftlet, "help", "status"]).status == .exited(0))
    }

    @Test("services says why a Service has no backend")
    func explains() throws {
        let node = try TestNode.current
        let empty = try #require(try node.services()["empty"])
        let reason = "default/empty has neither spec.selector nor an EndpointSlice"
        #expect(empty.ports.allSatisfy { $0.reason == reason && $0.reasonCode == "noEndpoints" })
        #expect(try node.status().daemon?.emptyServices == ["noEndpoints": 1])
        let one = try node.swiftlet("services", "default/web")
        #expect(one.status == .exited(0))
        #expect(one.output.contains("[fd00:10:244::13]:8080"))
        let none = try node.swiftlet("services", "absent")
        #expect(none.status == .exited(1))
        #expect(none.output.contains("no Service absent"))
    }
}

@Suite(
    "observing only", .tags(.endToEnd), .endToEnd,
    .node(flags: ["--kube-proxy-replacement=false"], manifests: ["web.yaml": ServedManifests.web]))
struct ObservingTests {
    @Test("nothing is programmed, and it says so")
    func programsNothing() throws {
        let node = try TestNode.current
        #expect(node.logText.contains("observing only: nothing is programmed"))
        #expect(((try? FileManager.default.contentsOfDirectory(atPath: node.bpfRoot)) ?? []) == [])
        #expect(try node.call("10.96.0.15:80").results == ["ENETUNREACH"])
        let status = try node.swiftlet("status")
        #expect(status.status == .exited(0))
        #expect(status.output.contains("observing only: process"))
        #expect(status.output.contains("would program:   "))
        let report = try node.status()
        #expect(report.daemon?.kubeProxyReplacement == false && report.hooks.isEmpty && report.degraded.isEmpty)
    }

    @Test("explain and services say that it observes, and not that all works")
    func explains() throws {
        let node = try TestNode.current
        let explained = try Programs.run(
            [Programs.swiftlet, "explain", "10.96.0.15:80", "--bpf-root", node.bpfRoot], in: node.lab.node.path)
        #expect(explained.status == .exited(4), "\(explained)")
        #expect(explained.output.contains("swiftlet only observes here"), "\(explained)")
        let services = try node.swiftlet("services")
        #expect(services.status == .exited(1) && services.output.contains("only observes"), "\(services)")
    }
}

@Suite(
    "settings that name what is not there", .tags(.endToEnd), .endToEnd,
    .node(
        flags: [
            "--devices", "up0,nosuch*", "--pod-interfaces", "cali*", "--nodeport-addresses", "203.0.113.0/24",
            "--service-node-port-range", "30000-30079",
        ],
        manifests: ["web.yaml": ServedManifests.web]))
struct UnmatchedSettingTests {
    @Test("status names each of them")
    func named() throws {
        let risks = try #require(try TestNode.current.status().daemon?.risks)
        for risk in [
            "no device of this node matches nosuch* of --devices",
            "no device of this node matches cali* of --pod-interfaces",
            "no address of this node is in 203.0.113.0/24 of --nodeport-addresses: no NodePort is served there",
        ] { #expect(risks.contains(risk), "\(risks)") }
        #expect(risks.contains { $0.contains("nodePort is 30080, outside 30000-30079") }, "\(risks)")
    }
}

@Suite(
    "a Service that does not fit", .tags(.endToEnd), .endToEnd,
    .node(pods: 3, flags: ["--max-slots", "32", "--map-memory-limit", "0"]))
struct CapacityTests {
    @Test("is reported, and the others work")
    func reports() throws {
        let node = try TestNode.current
        let many = (1...100).map { "10.244.9.\($0)" }
        let large = Manifest.file(Manifest.service("large", ["10.96.0.60"]), Manifest.slice("large", many))
        let small = Manifest.file(Manifest.service("small", ["10.96.0.61"]), Manifest.slice("small", Manifest.pods4))
        try node.write(large, to: "large.yaml")
        try node.write(small, to: "small.yaml")
        #expect(try eventually { try node.call("10.96.0.61:80").results == ["ok"] })
        #expect(try eventually { try node.swiftlet("status").status == .exited(3) })
        let degraded = try node.status().degraded
        #expect(degraded.contains { $0.contains("default/large") && $0.contains("--max-slots") }, "\(degraded)")
        #expect(node.logText.contains("default/large"))
        let verdict = try node.swiftlet("status").output
        #expect(verdict.hasPrefix("degraded:\n"), "\(verdict)")

        // Behind the hundred that status names, too.
        let services = (0..<120).map { Manifest.service("more-\($0)", ["10.96.1.\($0 + 1)"]) }
        let slices = (0..<120).map { Manifest.slice("more-\($0)", Manifest.pods4) }
        try node.write((services + slices).joined(separator: "\n---\n"), to: "more.yaml")
        #expect(try eventually(within: 20_000) { try (node.status().daemon?.pending.count ?? 0) > 100 })
        let last = Manifest.file(Manifest.service("zzz", ["10.96.2.1"]), Manifest.slice("zzz", Manifest.pods4))
        try node.write(last, to: "zzz.yaml")
        let isNamed = try eventually {
            try node.swiftlet("explain", "zzz").output.contains("docs/troubleshoot.md#mapFull")
        }
        #expect(isNamed, "\(try? node.swiftlet("explain", "zzz").output)")
        try node.remove("zzz.yaml")
        try node.remove("more.yaml")

        // It fits now, and is served without being asked again.
        let few = Manifest.file(Manifest.service("large", ["10.96.0.60"]), Manifest.slice("large", Manifest.pods4))
        try node.write(few, to: "large.yaml")
        #expect(try eventually { try node.call("10.96.0.60:80").results == ["ok"] })
        #expect(try eventually { try node.swiftlet("status").status == .exited(0) })
    }
}
