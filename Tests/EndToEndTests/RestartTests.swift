import Glibc
import NetworkLab
import Testing

/// The datapath outlives the process: restarts and crashes while connects run.
@Suite(
    "restart", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, manifests: ["web.yaml": ServedManifests.web, "sticky.yaml": ServedManifests.sticky(isOn: true)]))
struct RestartTests {
    enum End: CaseIterable {
        case terminated
        case killed
    }

    @Test("no connect fails, ids stay, links are updated in place", arguments: End.allCases)
    func survives(end: End) throws {
        let node = try TestNode.current
        let before = try Kernel(of: node)
        let pod = try node.call("10.96.0.31:80").pods
        let held = try node.hold("10.96.0.15:80", "--connections", "20")
        let load = try node.startLoad("10.96.0.15:80,[fd00:96::15]:80", ["--rate", "600", "--seconds", "60"])
        let datagrams = try node.startLoad(
            "10.96.0.15:53", ["--udp", "--rate", "100", "--seconds", "60"], from: .pod(1))
        for _ in 0..<2 {
            switch end {
            case .terminated: #expect(try node.stop() == .exited(0))
            case .killed: try node.kill()
            }
            // While nobody is there, all goes on as it was.
            #expect(try node.call("10.96.0.15:80", "--count", "20").results == ["ok"])
            try node.start()
        }
        let report = try node.finish(load: load, now: true)
        #expect(report.failed == [:], "\(report.failures)")
        #expect(report.ok * 1_000 / max(report.milliseconds, 1) >= 500, "\(report.ok) in \(report.milliseconds) ms")
        #expect(try node.finish(load: datagrams, now: true).failed == [:])
        let flows = try held.send()
        #expect(flows.count == 20)
        #expect(flows.allSatisfy { $0.result == "ok" && $0.peer == "10.96.0.15:80" })
        #expect(try node.call("10.96.0.31:80", "--count", "5").pods == pod, "affinity outlives the process")

        let after = try Kernel(of: node)
        #expect(after.maps == before.maps)
        #expect(after.links == before.links)
        #expect(Set(after.programs).isDisjoint(with: before.programs), "links run the new process's programs")
        #expect(try node.status().degraded == [])
    }

    @Test("who waits for a Service that comes while nobody looks is served at the next start", arguments: End.allCases)
    func waits(end: End) throws {
        let node = try TestNode.current
        let number = end == .killed ? 50 : 60
        let (waited, late) = ("waited-\(number)", "late-\(number)")
        defer { for file in [waited, late] { try? node.remove(file + ".yaml") } }
        try node.write(Waiting.service(waited, number, isServed: false), to: waited + ".yaml")
        #expect(try eventually { try node.services()[waited] != nil })
        let waiting = try Waiting(number...(number + 1), on: node)
        #expect(try waiting.areServed() == false)
        switch end {
        case .terminated: try node.stop()
        case .killed: try node.kill()
        }
        try node.write(Waiting.service(waited, number, isServed: true), to: waited + ".yaml")
        try node.write(Waiting.service(late, number + 1, isServed: true), to: late + ".yaml")
        try node.start()
        #expect(try eventually { try waiting.areServed() == true })
    }

    /// What must be the same after as before.
    private struct Kernel {
        /// By map: the dump of bpftool, sorted.
        var maps: [String: [String]] = [:]
        var links: [Int]
        var programs: [Int]

        init(of node: TestNode) throws {
            for name in ["services4", "services6", "slots4", "slots6", "backends4", "backends6", "service_ports"] {
                let dump = try Programs.run(["bpftool", "-j", "map", "dump", "pinned", node.map(name)])
                maps[name] = dump.output.split(separator: "{\"key\":[").map(String.init).sorted()
            }
            let hooks = try node.status().hooks
            links = hooks.compactMap(\.linkID)
            programs = hooks.compactMap(\.programID)
        }
    }

    @Test("what changed while nobody was there is taken up at the start")
    func catchesUp() throws {
        let node = try TestNode.current
        try node.write(ServedManifests.stable, to: "stable.yaml")
        #expect(try eventually { try node.call("10.96.0.30:53", "--udp").results == ["ok"] })
        try node.kill()
        try node.write(ServedManifests.stable([Manifest.pods4[1]]), to: "stable.yaml")
        try node.remove("sticky.yaml")
        #expect(try node.call("10.96.0.31:80").results == ["ok"])
        try node.start()
        #expect(try node.call("10.96.0.30:53", "--udp", "--count", "9").pods == ["pod-2"])
        #expect(try node.call("10.96.0.31:80").results == ["ENETUNREACH"])
        try node.write(ServedManifests.sticky(isOn: true), to: "sticky.yaml")
        #expect(try eventually { try node.call("10.96.0.31:80").results == ["ok"] })
    }

    @Test("a manifest that broke while nobody was there takes no Service away")
    func keepsWhatIsBroken() throws {
        let node = try TestNode.current
        try node.stop()
        try node.write("kind: [Service\n", to: "sticky.yaml")
        try node.start()
        #expect(try node.swiftlet("status").status == .exited(3))
        #expect(try node.call("10.96.0.31:80", "--count", "5").results == ["ok"])
        #expect(try node.call("10.96.0.15:80", "--count", "5").results == ["ok"])
        try node.write(ServedManifests.sticky(isOn: true), to: "sticky.yaml")
        #expect(try eventually { try node.status().degraded == [] })
        #expect(try node.call("10.96.0.31:80", "--count", "5").results == ["ok"])

        // What is gone goes, once all is well.
        try node.stop()
        try node.write("kind: [Service\n", to: "broken.yaml")
        try node.remove("sticky.yaml")
        try node.start()
        #expect(try node.call("10.96.0.31:80", "--count", "5").results == ["ok"])
        try node.remove("broken.yaml")
        #expect(try eventually { try node.call("10.96.0.31:80").results == ["ENETUNREACH"] })
        try node.write(ServedManifests.sticky(isOn: true), to: "sticky.yaml")
        #expect(try eventually { try node.call("10.96.0.31:80").results == ["ok"] })
    }

    /// Each time at another moment: in the start, in the first list, while changes are written.
    @Test("killed at any moment, in the start and in changes, no connect fails")
    func survivesKillsInChanges() throws {
        let node = try TestNode.current
        func churn(_ round: Int) throws {
            let pods = round % 2 == 0 ? Manifest.pods4 : [Manifest.pods4[round % 3]]
            let text = Manifest.file(
                Manifest.service("churning", ["10.96.0.70"], spec: "externalIPs: [198.51.100.70]"),
                Manifest.slice("churning", pods))
            try node.write(text, to: "churning.yaml")
        }
        try churn(0)
        #expect(try eventually { try node.call("10.96.0.70:80").results == ["ok"] })
        let targets = "10.96.0.70:80,198.51.100.70:80,10.96.0.15:80"
        let load = try node.startLoad(targets, ["--rate", "500", "--seconds", "60"])
        for round in 1...16 {
            try node.kill()
            try churn(round)
            try node.launch()
            for change in 0..<3 {
                usleep(UInt32.random(in: 2_000...40_000))
                try churn(round + change)
            }
        }
        try node.kill()
        try node.start()
        let report = try node.finish(load: load, now: true)
        #expect(report.failed == [:], "\(report.failures)")

        // Nothing is left of what the killed ones began: a first start would make the same.
        #expect(try eventually { try node.status().degraded == [] })
        let dump = try MapDump(of: node)
        let used = Set(dump.services.flatMap { dump.run(of: $0).map(\.backend_id) })
        #expect(try eventually { try Set(MapDump(of: node).backends.map(\.key)) == used })
        let owners = Set(dump.names.map(\.key))
        #expect(dump.backends.allSatisfy { owners.contains($0.value.service_id) })
        #expect(
            dump.slots.values.joined().allSatisfy { $0.value.service_id == 0 || owners.contains($0.value.service_id) })
        #expect(try node.status().counters["refuse_bad_slot"] == 0)
        try node.remove("churning.yaml")
        #expect(try eventually { try node.services()["churning"] == nil })
    }

    @Test("other flags take effect at a restart: another cgroup, bind protection off and on")
    func takesOtherFlags() throws {
        let node = try TestNode.current
        let other = try Cgroup("other")
        func answers(in cgroup: String) throws -> Set<String> {
            let report: CallReport = try Programs.decode(
                from: [Programs.lab, "call", "10.96.0.15:80"], in: node.namespace(of: .node), cgroup: cgroup)
            return report.results
        }
        let flags = Array(node.runArguments().dropFirst())
        try node.stop()
        try node.start(with: flags + ["--cgroup-root", other.path, "--bind-protection=false"])
        #expect(try node.status().degraded == [])
        #expect(try answers(in: other.path) == ["ok"])
        #expect(try answers(in: node.cgroup.path) == ["ENETUNREACH"])
        #expect(try node.bind(30080) == "ok")
        try node.stop()
        try node.start()
        #expect(try node.status().degraded == [])
        #expect(try answers(in: other.path) == ["ENETUNREACH"])
        #expect(try answers(in: node.cgroup.path) == ["ok"])
        #expect(try node.bind(30080) == "EADDRINUSE")
    }

    @Test("a file of slices that cannot be read after a restart takes the endpoints of no Service away")
    func brokenSlices() throws {
        let node = try TestNode.current
        try node.write(Manifest.service("parted", ["10.96.0.77"]), to: "parted.yaml")
        try node.write(Manifest.slice("parted", [Manifest.pods4[0]]), to: "parted-slices.yaml")
        #expect(try eventually { try node.call("10.96.0.77:80").results == ["ok"] })
        #expect(try node.stop() == .exited(0))
        try node.write("kind: [", to: "parted-slices.yaml")
        try node.start()
        #expect(try node.call("10.96.0.77:80", "--count", "5").pods == ["pod-1"])
        let said = try node.status().degraded
        #expect(said.contains { $0.hasPrefix("cannot parse ") }, "\(said)")
        try node.write(Manifest.slice("parted", [Manifest.pods4[1]]), to: "parted-slices.yaml")
        #expect(try eventually { try node.call("10.96.0.77:80", "--count", "5").pods == ["pod-2"] })
        for file in ["parted.yaml", "parted-slices.yaml"] { try node.remove(file) }
        #expect(try eventually { try node.status().degraded == [] })
    }
}
