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
        #expect(try held.send().allSatisfy { $0.result == "ok" })
        #expect(try node.call("10.96.0.31:80", "--count", "5").pods == pod, "affinity outlives the process")

        let after = try Kernel(of: node)
        #expect(after.maps == before.maps)
        #expect(after.links == before.links)
        #expect(Set(after.programs).isDisjoint(with: before.programs), "links run the new process's programs")
        #expect(try node.status().degraded == [])
    }

    /// What must be the same after as before.
    private struct Kernel {
        /// By map: the dump of bpftool, sorted.
        var maps: [String: [String]] = [:]
        var links: [Int]
        var programs: [Int]

        init(of node: TestNode) throws {
            for name in ["services4", "services6", "slots4", "slots6", "backends4", "backends6", "frontends"] {
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
}
