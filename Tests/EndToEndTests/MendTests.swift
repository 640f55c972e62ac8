import Foundation
import NetworkLab
import Testing

extension TestNode {
    /// What another version of the map layout is told.
    fileprivate var layoutNotes: [String] {
        get throws {
            let directory = "\(bpfRoot)/\(version)/layouts"
            return try FileManager.default.contentsOfDirectory(atPath: directory).sorted().map { "\(directory)/\($0)" }
        }
    }
}

/// What others take away while the daemon runs comes back, and Services are served meanwhile.
@Suite(
    "mending", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, manifests: ["web.yaml": ServedManifests.web]))
struct MendTests {
    private static let target = "10.96.0.15:80,[fd00:96::15]:80"

    @Test("bpffs is unmounted and mounted again: no connect fails, changes are followed, and all is pinned again")
    func survivesUnmount() throws {
        let node = try TestNode.current
        let mount = try PrivateFileSystem(of: node)
        defer { mount.end() }
        try mount.start()
        let held = try node.hold("10.96.0.15:80", "--connections", "5")
        let load = try node.startLoad(Self.target, ["--rate", "300", "--seconds", "120"])
        let packets = try node.startLoad("192.0.2.1:30080", ["--rate", "50", "--seconds", "120"], from: .outside)
        let before = try mount.status()
        #expect(before.degraded == [])

        try mount.run("umount", mount.place)
        let isTold = try eventually(within: 15_000) { try mount.tells("no bpffs is mounted at \(mount.place)") }
        #expect(isTold, "\(node.logText)")
        try node.write(ServedManifests.sticky(isOn: false), to: "sticky.yaml")
        #expect(try eventually { try node.call("10.96.0.31:80").results == ["ok"] }, "changes are followed")

        try mount.run("mount", "-t", "bpf", "bpf", mount.place)
        let isMended = try eventually(within: 15_000) { try mount.status().degraded == [] }
        #expect(isMended, "\(node.logText)")
        let after = try mount.status()
        #expect(after.hooks.map(\.linkID) == before.hooks.map(\.linkID), "the links are the same")
        #expect(after.maps.map(\.name) == before.maps.map(\.name))
        #expect(after.pins == [])

        // A restart finds everything.
        try node.stop()
        #expect(try node.call("10.96.0.15:80", "--count", "5").results == ["ok"])
        try mount.start()
        #expect(try mount.status().hooks.map(\.linkID) == before.hooks.map(\.linkID))
        #expect(try held.send().allSatisfy { $0.result == "ok" && $0.peer == "10.96.0.15:80" })
        for (name, process) in ["sockets": load, "packets": packets] {
            let report = try node.finish(load: process, now: true)
            #expect(report.failed == [:] && report.ok > 0, "\(name): \(report.failures)")
        }
        try node.remove("sticky.yaml")
    }

    @Test("pins that somebody removes are pinned again, and no connect fails")
    func pinsAgain() throws {
        let node = try TestNode.current
        try node.start()
        let load = try node.startLoad(Self.target, ["--rate", "300", "--seconds", "60"])
        let links = try node.status().hooks.map(\.linkID)
        let notes = try node.layoutNotes
        let note = try #require(notes.first)
        for pin in [note, node.map("vips4"), node.map("affinity"), node.link("connect4"), node.link("recvmsg6")] {
            try FileManager.default.removeItem(atPath: pin)
        }
        #expect(try node.status().degraded.first?.contains("not all of it can be seen: cannot open map") == true)
        let isMended = try eventually(within: 15_000) { try node.status().degraded == [] }
        #expect(isMended, "\(node.logText)")
        #expect(try node.status().hooks.map(\.linkID) == links)
        #expect(FileManager.default.fileExists(atPath: node.map("affinity")))
        #expect(try node.layoutNotes == notes)
        #expect(node.logText.contains("restored pins that were removed"))
        let report = try node.finish(load: load, now: true)
        #expect(report.failed == [:] && report.ok > 0, "\(report.failures)")
        try node.stop()
    }

    @Test("links that somebody detaches are attached again, those to devices too", .hasTCX)
    func attachesAgain() throws {
        let node = try TestNode.current
        try node.start()
        let devices = "\(node.bpfRoot)/\(node.version)/devices"
        let ingress = try #require(
            try FileManager.default.contentsOfDirectory(atPath: devices).first { $0.hasSuffix("ingress") })
        for pin in [node.link("connect4"), "\(devices)/\(ingress)"] {
            try Command.run("bpftool", "link", "detach", "pinned", pin)
        }
        #expect(try node.call("10.96.0.15:80").results != ["ok"])
        #expect(try eventually(within: 15_000) { try node.call("10.96.0.15:80").results == ["ok"] })
        #expect(
            try eventually(within: 15_000) { try node.call("192.0.2.1:30080", from: .outside).results == ["ok"] })
        #expect(try node.status().degraded == [], "\(node.logText)")
        #expect(try node.status().pins == [])
        try node.stop()
    }

    @Test("the cgroup is removed and made again: status says so, and then it is served again")
    func followsCgroup() throws {
        let node = try TestNode.current
        let cgroup = try Cgroup("made-again")
        try node.start(with: Array(node.runArguments().dropFirst()) + ["--cgroup-root", cgroup.path])
        #expect(try node.status().degraded == [])
        #expect(rmdir(cgroup.path) == 0)
        let isTold = try eventually(within: 15_000) {
            try node.status().daemon?.problems.contains { $0.contains("cgroup \(cgroup.path)") } == true
        }
        #expect(isTold, "\(node.logText)")
        #expect(mkdir(cgroup.path, 0o755) == 0)
        #expect(try eventually(within: 15_000) { try node.status().degraded == [] }, "\(node.logText)")
        #expect(try node.status().probe == "effective")
        #expect(try node.status().pins == [])
        try node.stop()
    }

    @Test("a second daemon on the same maps refuses, names the first, and changes nothing")
    func refusesSecond() throws {
        let node = try TestNode.current
        try node.start()
        let pid = try #require(node.pid)
        let links = try node.status().hooks.map(\.linkID)
        let second = try Programs.run(node.runArguments(), in: node.lab.node.path)
        #expect(second.status == .exited(1))
        #expect(second.output.contains("process \(pid) already runs swiftlet on these maps"), "\(second)")
        #expect(try node.status().hooks.map(\.linkID) == links)
        #expect(try node.status().degraded == [])
        #expect(try node.call("10.96.0.15:80").results == ["ok"])
        try node.stop()
    }
}

/// A bpffs that only one mount namespace sees, which a process of ours keeps.
private final class PrivateFileSystem {
    let place: String
    private let node: TestNode
    private let root: String
    private let keeper: RunningProcess

    init(of node: TestNode) throws {
        self.node = node
        place = "\(node.directory)/bpf"
        root = "\(place)/swiftlet"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        keeper = try RunningProcess(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo made && exec sleep 600"],
            in: node.lab.node.path)
        _ = try keeper.readLine()
        try run("mount", "-t", "bpf", "bpf", place)
    }

    private func inside(_ command: [String]) -> [String] {
        ["nsenter", "--mount=/proc/\(keeper.pid)/ns/mnt", "--"] + command
    }

    func run(_ command: String...) throws { try Command.run(inside(command)) }

    /// Starts the daemon in there, and waits until it is ready.
    func start() throws {
        try node.launch(command: inside(node.runArguments() + ["--bpf-root", root]))
        guard try eventually(within: 30_000, { node.logText.contains("ready") }) else {
            throw TestFailure("the daemon did not start: \(node.logText)")
        }
    }

    func status() throws -> StatusReport {
        try Programs.decode(
            from: inside([Programs.swiftlet, "status", "-o", "json", "--bpf-root", root]), in: node.lab.node.path)
    }

    func tells(_ complaint: String) throws -> Bool { try status().degraded.contains { $0.contains(complaint) } }

    func end() {
        _ = try? node.stop()
        _ = try? Programs.run(inside([Programs.swiftlet, "cleanup", "--bpf-root", root]), in: node.lab.node.path)
        _ = try? keeper.terminate()
    }
}
