import Foundation
import NetworkLab
import Testing

/// Programs of others on the hooks that ours are on.
@Suite(
    "neighbors", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, manifests: ["web.yaml": ServedManifests.web]))
struct NeighborTests {
    /// Two programs of somebody else, loaded but not attached.
    private final class Neighbor {
        private let pins: String
        private let cgroup: String
        private var attached: [(hook: String, program: String)] = []

        init(of node: TestNode) throws {
            pins = "\(node.bpfRoot)-neighbor"
            cgroup = node.cgroup.path
            try Command.run("bpftool", "prog", "loadall", Programs.bystanderObject, pins)
        }

        func attach(_ program: String, to hook: String, _ flags: String...) throws {
            try Command.run(["bpftool", "cgroup", "attach", cgroup, hook, "pinned", "\(pins)/\(program)"] + flags)
            attached.append((hook, program))
        }

        /// The kernel's number of a program.
        func number(of program: String) throws -> Int {
            struct Program: Decodable { var id: Int }
            let command = ["bpftool", "-j", "prog", "show", "pinned", "\(pins)/\(program)"]
            return try Programs.decode(Program.self, from: command).id
        }

        func detach() throws {
            for (hook, program) in attached {
                try Command.run("bpftool", "cgroup", "detach", cgroup, hook, "pinned", "\(pins)/\(program)")
            }
            attached = []
        }

        func end() {
            try? detach()
            try? FileManager.default.removeItem(atPath: pins)
        }
    }

    @Test("one that was there before us and one that came after: Services work, both stay, and status names them")
    func lives() throws {
        let node = try TestNode.current
        let neighbor = try Neighbor(of: node)
        defer { neighbor.end() }
        try neighbor.attach("swl_empty4", to: "cgroup_inet4_connect", "multi")
        try node.start()
        try neighbor.attach("swl_empty6", to: "cgroup_inet6_connect", "multi")
        for _ in 0..<2 {
            for target in ["10.96.0.15:80", "[fd00:96::15]:80"] {
                #expect(try node.call(target, "--count", "5").results == ["ok"])
            }
            let status = try node.status()
            #expect(status.degraded == [])
            for (hook, program) in [("connect4", "swl_empty4"), ("connect6", "swl_empty6")] {
                let shown = try #require(status.hooks.first { $0.name == hook })
                #expect(shown.foreign.count == 1 && shown.foreign[0].contains(program), "\(shown)")
            }
            // A restart, by which our programs are swapped in place, changes nothing about it.
            try node.stop()
            try node.start()
        }
        try node.stop()
        _ = try node.swiftlet("cleanup")
    }

    @Test("one that lets no other beside it: the start is refused, and names it and what to do")
    func refuses() throws {
        let node = try TestNode.current
        let neighbor = try Neighbor(of: node)
        defer { neighbor.end() }
        try neighbor.attach("swl_empty4", to: "cgroup_inet4_connect")
        let refused = try Programs.run(node.runArguments(), in: node.lab.node.path)
        #expect(refused.status == .exited(1))
        // Without the right to read names, the number under which bpftool shows it.
        let number = try neighbor.number(of: "swl_empty4")
        let complaint = "program \(number) was attached so that no other can be; detach it, or attach it with the flag"
        #expect(refused.output.contains(complaint), "\(refused)")
        try neighbor.detach()
        try node.start()
        #expect(try node.call("10.96.0.15:80").results == ["ok"])
        #expect(try node.status().degraded == [])
        try node.stop()
        _ = try node.swiftlet("cleanup")
    }
}
