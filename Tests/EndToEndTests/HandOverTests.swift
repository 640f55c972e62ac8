import Foundation
import NetworkLab
import Testing

private let nodePort = "192.0.2.1:30080"
private let manifests = ["web.yaml": ServedManifests.web, "sticky.yaml": ServedManifests.sticky(isOn: true)]

extension TestNode {
    /// - Parameter revives: the daemon may connect sockets anew.
    fileprivate func goThereAndBack(revives: Bool) throws {
        try start(.this)
        let pod = try call("10.96.0.31:80").pods
        let outsidePod = try call("192.0.2.1:30031", from: .outside).pods
        let held = try hold("10.96.0.15:80", "--connections", "20")
        let heldOutside = try hold(nodePort, "--connections", "20", from: .outside)
        let load = try startLoad("10.96.0.15:80,[fd00:96::15]:80", ["--rate", "400", "--seconds", "60"])
        let datagrams = try startLoad(
            "10.96.0.15:53", ["--udp", "--rate", "100", "--seconds", "60"], from: .pod(1))
        let packets = try startLoad(nodePort, ["--rate", "100", "--seconds", "60"], from: .outside)
        let names = try mapID("service_ports", of: .this)
        try write(Waiting.service("waited", 50, isServed: false), to: "waited.yaml")
        #expect(try eventually { try services()["waited"] != nil })
        let waiting = try Waiting(50...50, on: self)
        #expect(try waiting.areServed() == false)
        let builds = [Build.other, .this, .other, .this]
        for build in builds {
            try stop()
            try write(Waiting.service("waited", 50, isServed: true), to: "waited.yaml")
            try start(build)
            if revives {
                #expect(try eventually { try waiting.areServed() == true }, "who waited for what came meanwhile")
            }
            #expect(pinnedVersions == ["v\(build.version)"])
            #expect(try mapID("service_ports", of: build) == names, "the same layout is the same map")
            #expect(try call("10.96.0.31:80", "--count", "5").pods == pod, "affinity of sockets")
            #expect(
                try call("192.0.2.1:30031", "--count", "5", from: .outside).pods == outsidePod, "and of packets")
            #expect(try held.send().allSatisfy { $0.result == "ok" && $0.peer == "10.96.0.15:80" })
            #expect(try heldOutside.send().allSatisfy { $0.result == "ok" }, "flows translated packet by packet")
        }
        for (name, process) in ["sockets": load, "datagrams": datagrams, "packets": packets] {
            let report = try finish(load: process, now: true)
            #expect(report.failed == [:], "\(name): \(report.failures)")
            #expect(report.ok > builds.count, "\(name): it ran all the time")
        }
        #expect(try status().degraded == [])
        try stop()
    }
}

/// With the rights of the unit: the kernel tells nothing of what the bytes of a map mean.
@Suite(
    "hand-over between map layouts, least rights", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, rights: .least, manifests: manifests))
struct LeastRightsHandOverTests {
    @Test("sockets, flows and affinity go on")
    func goesThereAndBack() throws { try TestNode.current.goThereAndBack(revives: false) }
}

/// From one version of the map layout to another and back, while connects run. Two builds of the same programs differ in
/// their version; the rules know no direction.
@Suite(
    "hand-over between map layouts", .tags(.endToEnd), .endToEnd, .serialized,
    // Whose daemon notes its steps in a file, which the least rights do not allow.
    .node(pods: 3, starts: false, rights: .root, manifests: manifests))
struct HandOverTests {
    /// Each step takes two seconds, so a run takes every fourth, from another one each time; all of them on demand.
    private static let pace = ProcessInfo.processInfo.environment["SWIFTLET_TEST_EVERY_STEP"] == nil ? 4 : 1

    @Test("upgrade and downgrade: no connect fails, sockets, flows and affinity go on, nothing is left behind")
    func goesThereAndBack() throws { try TestNode.current.goThereAndBack(revives: true) }

    /// Every step from one version to the other is once the last one of a process. What comes after it is once the same
    /// build, which completes, and once the other, which goes back.
    @Test("killed at any step, the next start of either build goes on from there", arguments: Build.allCases)
    func survivesKills(to build: Build) throws {
        let node = try TestNode.current
        func settle(_ build: Build) throws {
            try node.start(build)
            #expect(node.pinnedVersions == ["v\(build.version)"])
            try node.stop()
        }
        try settle(build.opposite)
        let steps = try node.startCountingSteps(build)
        try node.stop()
        #expect(steps.count > 30, "\(steps)")
        let held = try node.hold("10.96.0.15:80", "--connections", "10")
        let load = try node.startLoad(
            "10.96.0.15:80,[fd00:96::15]:80,203.0.113.10:80", ["--rate", "300", "--seconds", "600"])
        let packets = try node.startLoad(nodePort, ["--rate", "50", "--seconds", "600"], from: .outside)
        var next = build.opposite
        for step in stride(from: Int.random(in: 1...Self.pace), through: steps.count, by: Self.pace) {
            try settle(build.opposite)
            try node.launchAndLose(build, after: step)
            #expect(try node.call("10.96.0.15:80").results == ["ok"], "after \(steps[step - 1])")
            next = next.opposite
            try settle(next)
        }
        #expect(try held.send().allSatisfy { $0.result == "ok" && $0.peer == "10.96.0.15:80" })
        for process in [load, packets] {
            let report = try node.finish(load: process, now: true)
            #expect(report.failed == [:], "\(report.failures)")
            #expect(report.ok > steps.count / Self.pace, "it ran all the time")
        }
        try node.start(.this)
        #expect(try node.status().degraded == [])
        try node.stop()
    }

    /// What has another layout cannot be carried over: it begins empty, is named in the log, and nothing else suffers.
    @Test(
        "a map of another layout begins anew, and is named",
        arguments: [
            ("affinity", ["lru_hash", "key", "32", "value", "24", "entries", "64"]),
            ("vips6", ["hash", "key", "16", "value", "4", "entries", "64"]),
            ("backends4", ["hash", "key", "4", "value", "44", "entries", "64"]),
        ])
    func namesWhatIsLost(map: String, shape: [String]) throws {
        let node = try TestNode.current
        try node.start(.this)
        let backends = try node.services()["web"]?.ports.first?.serviceID
        try node.stop()
        try FileManager.default.removeItem(atPath: node.map(map))
        try Command.run(["bpftool", "map", "create", node.map(map), "type"] + shape + ["name", map])
        let load = try node.startLoad("10.96.0.15:80,[fd00:96::15]:80", ["--rate", "300", "--seconds", "60"])
        try node.start(.other)
        #expect(node.logText.contains("a map is not carried over"))
        #expect(node.logText.contains("map=\(map)"), "\(node.logText)")
        #expect(node.pinnedVersions == ["v\(Build.other.version)"])
        #expect(try node.call("10.96.0.31:80", "--count", "5").pods.count == 1, "affinity works")
        try node.stop()
        try node.start(.this)
        #expect(try node.services()["web"]?.ports.first?.serviceID == backends)
        let report = try node.finish(load: load, now: true)
        #expect(report.failed == [:], "\(report.failures)")
        #expect(try node.status().degraded == [])
        try node.stop()
    }
}
