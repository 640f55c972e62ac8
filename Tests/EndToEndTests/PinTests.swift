import BPFLoader
import Foundation
import NetworkLab
import SystemPackage
import Testing

/// What is in our directories on bpffs is looked at before it is used: type, sizes, name.
@Suite(
    "pins", .tags(.endToEnd), .endToEnd, .serialized,
    // What the tests pin is root's, and closed to another user's daemon, which does not start then and names it.
    .node(pods: 3, starts: false, rights: .root, manifests: ["web.yaml": ServedManifests.web]))
struct PinTests {
    private static let target = "10.96.0.15:80,[fd00:96::15]:80"

    /// Starts anew while connects run, and expects that none failed and that one pin was put aside.
    private func restart(_ node: TestNode, findingAside name: String) throws {
        let load = try node.startLoad(Self.target, ["--rate", "300", "--seconds", "60"])
        try node.start()
        #expect(node.logText.contains("put aside"), "\(node.logText)")
        let report = try node.finish(load: load, now: true)
        #expect(report.failed == [:], "\(report.failures)")
        let status = try node.status()
        #expect(status.degraded == [])
        #expect(status.pins.count == 1 && status.pins[0].contains("/foreign/\(name) "), "\(status.pins)")
        try FileManager.default.removeItem(atPath: "\(node.bpfRoot)/\(node.version)/foreign/\(name)")
        #expect(try node.status().pins == [])
        try node.stop()
    }

    @Test(
        "a map of ours that is another one is put aside, and a new one is filled",
        arguments: [
            ("vips4", ["hash", "key", "4", "value", "4", "entries", "64", "name", "vips4"]),
            ("services4", ["hash", "key", "8", "value", "28", "entries", "64", "name", "stranger"]),
            ("affinity", ["hash", "key", "32", "value", "16", "entries", "64", "name", "affinity"]),
        ])
    func replacesMap(name: String, shape: [String]) throws {
        let node = try TestNode.current
        try node.start()
        try node.stop()
        try FileManager.default.removeItem(atPath: node.map(name))
        try Command.run(["bpftool", "map", "create", node.map(name), "type"] + shape)
        try restart(node, findingAside: "maps-\(name)")
    }

    @Test("a program under the name of a map is put aside")
    func replacesProgram() throws {
        let node = try TestNode.current
        try node.start()
        try node.stop()
        try FileManager.default.removeItem(atPath: node.map("services6"))
        let pins = "\(node.bpfRoot)-stranger"
        try Command.run("bpftool", "prog", "loadall", Programs.bystanderObject, pins)
        defer { try? FileManager.default.removeItem(atPath: pins) }
        try Command.run("bpftool", "prog", "pin", "pinned", "\(pins)/swl_empty4", node.map("services6"))
        try restart(node, findingAside: "maps-services6")
    }

    /// To update somebody's link would be to take his program away.
    @Test("a stranger's link under the name of a hook is put aside, and goes on")
    func keepsStrangersLink() throws {
        let node = try TestNode.current
        try node.start()
        try node.stop()
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Programs.bystanderObject)))
        let object = try BPFObject(name: "empty.bpf.o", bytes: bytes).load()
        let program = try object.program(named: "swl_empty6")
        let link = try CgroupLink.attach(program, to: FilePath(node.cgroup.path), as: .connect6)
        // The hook's own link goes on under another pin: the second start finds the stranger's in its place.
        try FileManager.default.moveItem(atPath: node.link("getpeername4"), toPath: "\(node.bpfRoot)-kept")
        defer { try? FileManager.default.removeItem(atPath: "\(node.bpfRoot)-kept") }
        try link.pin(at: FilePath(node.link("getpeername4")))
        try restart(node, findingAside: "links-getpeername4")
        #expect(try link.info.programID == program.id)
        #expect(try link.info.isAttached)
    }

    @Test("what has no name of ours is left alone and named, in every directory")
    func namesForeignFiles() throws {
        let node = try TestNode.current
        try node.start()
        let version = "\(node.bpfRoot)/\(node.version)"
        let files = [node.bpfRoot, version, "\(version)/maps", "\(version)/links", "\(version)/devices"].map {
            "\($0)/stranger"
        }
        for file in files {
            try Command.run(
                "bpftool", "map", "create", file, "type", "hash", "key", "4", "value", "4", "entries", "4", "name", "x")
        }
        defer { for file in files { try? FileManager.default.removeItem(atPath: file) } }
        let status = try node.status()
        #expect(status.degraded == [])
        for file in files { #expect(status.pins.count { $0.hasPrefix("\(file) is not ours") } == 1, "\(status.pins)") }
        #expect(status.pins.count == files.count)
        try node.stop()
        try node.start()
        for file in files { #expect(node.logText.contains(file), "the log names \(file)") }
        for file in files { #expect(FileManager.default.fileExists(atPath: file)) }
        try node.stop()
    }

    @Test("a link to a cgroup that is gone is named, and replaced at the next start")
    func replacesZombieLinks() throws {
        let node = try TestNode.current
        let arguments = Array(node.runArguments().dropFirst())
        do {
            let other = try Cgroup("vanishing")
            try node.start(with: arguments + ["--cgroup-root", other.path])
            try node.stop()
        }
        #expect(try node.status().pins.count { $0.contains("leads to a cgroup that is gone") } >= 9)
        try node.start()
        #expect(try node.status().pins == [])
        #expect(try node.status().degraded == [])
        #expect(try node.call("10.96.0.15:80").results == ["ok"])
        try node.stop()
    }

    @Test("a link to a device that is gone is named, and removed at the next start", .hasTCX)
    func removesZombieDevices() throws {
        let node = try TestNode.current
        let arguments = Array(node.runArguments().dropFirst())
        try Command.run(
            ["ip", "link", "add", "brief0", "type", "veth", "peer", "name", "brief1"], in: node.lab.node.path)
        try Command.run(["ip", "link", "set", "brief0", "up"], in: node.lab.node.path)
        try Command.run(["ip", "link", "set", "brief1", "up"], in: node.lab.node.path)
        try Command.run(["ip", "addr", "add", "198.18.0.1/24", "dev", "brief0"], in: node.lab.node.path)
        try node.start(with: arguments + ["--devices", "eth0,brief0"])
        try node.stop()
        try Command.run(["ip", "link", "delete", "brief0"], in: node.lab.node.path)
        #expect(try node.status().pins.count { $0.contains("leads to a device that is gone") } == 2)
        try node.start()
        #expect(try node.status().pins == [])
        #expect(try node.call("192.0.2.1:30080", "--count", "5", from: .outside).results == ["ok"])
        try node.stop()
    }
}
