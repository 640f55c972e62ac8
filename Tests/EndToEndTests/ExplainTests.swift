import Foundation
import NetworkLab
import Testing

@Suite(
    "explain", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 1,
        manifests: [
            "web.yaml": ServedManifests.web, "empty.yaml": ServedManifests.empty,
            "door.yaml": Manifest.file(
                """
                apiVersion: v1
                kind: Service
                metadata: {name: door}
                spec: {type: NodePort, clusterIP: 10.96.0.41, ports: [{port: 80, nodePort: 30041}]}
                """,
                Manifest.slice("door", Array(Manifest.pods4.prefix(1)))),
            "pending.yaml": Manifest.file(
                Manifest.service("pending", ["10.96.0.40"], spec: "selector: {app: pending}"),
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: pending-1, labels: {app: pending}}
                spec: {containers: [{name: main}]}
                status: {phase: Pending}
                """),
        ]))
struct ExplainTests {
    private struct Answer: Decodable {
        struct Step: Decodable { var text: String }
        struct Verdict: Decodable {
            var code: String
            var text: String
        }
        var schema: Int
        var works: Bool
        var steps: [Step]
        var verdict: Verdict
        var unseen: [String]
    }

    private func explain(_ arguments: String...) throws -> (status: ChildProcess.Status, answer: Answer) {
        let node = try TestNode.current
        let command = [Programs.swiftlet, "explain"] + arguments + ["-o", "json", "--bpf-root", node.bpfRoot]
        let outcome = try Programs.run(command, in: node.lab.node.path)
        return (outcome.status, try JSONDecoder().decode(Answer.self, from: Data(outcome.output.utf8)))
    }

    @Test("a Service that works: the maps agree, exit code 0")
    func works() throws {
        let (status, answer) = try explain("web")
        #expect(status == .exited(0))
        #expect(answer.works && answer.schema == 1)
        #expect(answer.steps.contains { $0.text.hasPrefix("the kernel's maps agree: frontend ") })
    }

    @Test("a Service without endpoints: exit code 4")
    func empty() throws {
        let (status, answer) = try explain("empty")
        #expect(status == .exited(4))
        #expect(!answer.works)
    }

    @Test(
        "a Service of pods that are not usable has one reason, in explain and in services",
        arguments: ["pending", "--broken"])
    func sameReason(word: String) throws {
        let node = try TestNode.current
        let verdict = try explain("pending").answer.verdict
        let report: ServicesReport = try Programs.decode(
            from: [Programs.swiftlet, "services", word, "-o", "json", "--bpf-root", node.bpfRoot],
            in: node.lab.node.path)
        let port = try #require(report["pending"]?.ports.first)
        #expect(verdict.code == "podPending" && verdict.text.contains("pending-1 (Pending)"))
        #expect(port.reason == verdict.text && port.reasonCode == verdict.code)
    }

    @Test("what pods tell is counted, too")
    func counted() throws {
        let status = try TestNode.current.swiftlet("status", "-o", "json")
        #expect(status.output.contains("\"podPending\" : 1"), "\(status)")
    }

    @Test("a rule of netfilter, a route and a device in the way are named")
    func ways() throws {
        let node = try TestNode.current
        func run(_ command: String...) throws {
            let outcome = try Programs.run(command, in: node.lab.node.path)
            #expect(outcome.status == .exited(0), "\(outcome)")
        }
        let outside = ["192.0.2.1:30041", "--outside", "192.0.2.9"]
        #expect(try explain(outside[0], outside[1], outside[2]).answer.works)
        let chain = "add chain inet swl forward { type filter hook forward priority 0; policy accept; }"
        try run("nft", "add table inet swl; \(chain); add rule inet swl forward tcp dport 8080 drop")
        let filtered = try explain(outside[0], outside[1], outside[2])
        try run("nft", "delete table inet swl")
        #expect(filtered.status == .exited(4) && filtered.answer.verdict.code == "filtered")
        #expect(filtered.answer.verdict.text.contains("of chain inet swl forward drops packets to 10.244.0.11:8080"))

        try run("ip", "route", "add", "prohibit", "10.244.0.11/32")
        let prohibited = try explain("door").answer.verdict
        try run("ip", "route", "del", "prohibit", "10.244.0.11/32")
        #expect(prohibited.code == "noRoute" && prohibited.text.contains("is of type prohibit"), "\(prohibited)")
        #expect(try explain("door").answer.works)

        // The other end of the pair is down.
        try run("ip", "link", "add", "swl-a", "type", "veth", "peer", "name", "swl-b")
        try run("ip", "link", "set", "swl-a", "up")
        try run("ip", "route", "add", "10.244.0.11/32", "dev", "swl-a")
        let idle = try explain("door").answer.verdict
        try run("ip", "link", "del", "swl-a")
        #expect(idle.code == "deviceDown" && idle.text.contains("device swl-a"), "\(idle)")
        #expect(try explain("door").answer.works)
    }

    @Test("rules that drop answers, that send packets elsewhere, and that know the client's device are named")
    func back() throws {
        let node = try TestNode.current
        func run(_ command: String...) throws {
            let outcome = try Programs.run(command, in: node.lab.node.path)
            #expect(outcome.status == .exited(0), "\(outcome)")
        }
        let chain = "add chain inet swl input { type filter hook input priority 0; policy accept; }"
        try run("nft", "add table inet swl; \(chain); add rule inet swl input tcp sport 8080 drop")
        let deaf = try explain("door").answer.verdict
        try run("nft", "delete table inet swl")
        #expect(deaf.code == "filtered" && deaf.text.contains("drops the answers of 10.244.0.11:8080"), "\(deaf)")

        let nat = "add chain ip swl output { type nat hook output priority 0; policy accept; }"
        try run("nft", "add table ip swl; \(nat); add rule ip swl output tcp dport 8080 dnat to 10.244.0.12:7")
        let diverted = try explain("door").answer
        try run("nft", "delete table ip swl")
        #expect(diverted.works && diverted.verdict.text.hasPrefix("works, as far as was seen: "), "\(diverted)")

        let rule = ["to", "10.244.0.11/32", "iif", "eth0", "blackhole"]
        #expect(try Programs.run(["ip", "rule", "add"] + rule, in: node.lab.node.path).status == .exited(0))
        let (_, closed) = try explain("192.0.2.1:30041", "--outside", "192.0.2.9")
        #expect(try Programs.run(["ip", "rule", "del"] + rule, in: node.lab.node.path).status == .exited(0))
        #expect(closed.verdict.text.hasPrefix("no route leads to 10.244.0.11:8080"), "\(closed)")
    }

    /// The pod is found by a process that has its address: pods of other tests have the usual ones.
    @Test("a rule in the endpoint's own pod is named")
    func endpoint() throws {
        let node = try TestNode.current
        let pod = node.lab.pods[0].namespace.path
        func run(_ command: String...) throws {
            let outcome = try Programs.run(command, in: pod)
            #expect(outcome.status == .exited(0), "\(outcome)")
        }
        try run("ip", "address", "add", "10.244.0.177/24", "dev", "eth0")
        let resident = try RunningProcess(["sleep", "120"], in: pod)
        defer { _ = try? resident.terminate() }
        try node.write(
            Manifest.file(
                Manifest.service("walled", ["10.96.0.177"], ports: ["{port: 80, targetPort: 8080}"]),
                Manifest.slice("walled", ["10.244.0.177"])), to: "walled.yaml")
        defer { try? node.remove("walled.yaml") }
        #expect(try eventually { try explain("10.96.0.177:80").answer.works })
        let chain = "add chain inet swl input { type filter hook input priority 0; policy accept; }"
        let rule = "add rule inet swl input ip daddr 10.244.0.177 tcp dport 8080 drop"
        try run("nft", "add table inet swl; \(chain); \(rule)")
        let dropped = try explain("10.96.0.177:80").answer.verdict
        try run("nft", "delete table inet swl")
        #expect(
            dropped.text.contains("in the endpoint's network namespace drops packets to 10.244.0.177:8080"),
            "\(dropped)"
        )
        #expect(try explain("10.96.0.177:80").answer.works)
        try run("ip", "address", "delete", "10.244.0.177/24", "dev", "eth0")
    }

    @Test("an address alone is followed, and what --connect does not ask is told")
    func address() throws {
        let (status, answer) = try explain("10.96.0.15")
        #expect(status == .exited(0) && answer.steps[0].text.contains("is the ClusterIP of default/web"))
        #expect(try explain("10.96.0.15:nothing").answer.verdict.code == "portNotServed")
        let (_, udp) = try explain("10.96.0.15:53", "--udp", "--connect")
        #expect(udp.unseen == ["--connect asks by TCP only: no endpoint was asked by UDP"])
    }

    @Test("a client outside the served cgroup is told so")
    func outsideCgroup() throws {
        // This process is in no cgroup below the node's.
        let (status, answer) = try explain("web", "--pid", "\(getpid())")
        #expect(status == .exited(4))
        #expect(answer.verdict.code == "clientOutsideCgroup")
    }
}

/// A Service with a NodePort, and one pod.
private let door = [
    "door.yaml": Manifest.file(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: door}
        spec: {type: NodePort, clusterIP: 10.96.0.41, ports: [{port: 80, nodePort: 30041}]}
        """,
        Manifest.slice("door", Array(Manifest.pods4.prefix(1))))
]

/// What a node of these tests is told, and why.
private func verdict(_ arguments: String...) throws -> (status: ChildProcess.Status, text: String) {
    let node = try TestNode.current
    let command = [Programs.swiftlet, "explain"] + arguments + ["--bpf-root", node.bpfRoot]
    let outcome = try Programs.run(command, in: node.lab.node.path)
    return (outcome.status, outcome.output)
}

@Suite(
    "explain: sockets that are left to the packets", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 1, flags: ["--socket-lb", "off"], manifests: door))
struct ExplainLeftTests {
    @Test("packets of the node itself do not leave it, or meet no programs on their way")
    func node() throws {
        let node = try TestNode.current
        let own = try verdict("192.0.2.1:30041")
        #expect(own.status == .exited(4) && own.text.contains("do not leave it"), "\(own)")
        let service = try verdict("door")
        #expect(
            service.status == .exited(4) && service.text.contains("is left to its packets by --socket-lb=off"),
            "\(service)")
        #expect(try node.call("10.96.0.41:80").results != ["ok"])
        let route = ["ip", "route", "add", "10.96.0.0/16", "via", "192.0.2.2"]
        #expect(try Programs.run(route, in: node.lab.node.path).status == .exited(0))
        let routed = try verdict("door")
        #expect(try node.call("10.96.0.41:80").results != ["ok"])
        #expect(routed.status == .exited(4) && routed.text.contains("these meet no programs on br0"), "\(routed)")
        #expect(try verdict("192.0.2.1:30041", "--outside", "192.0.2.2").status == .exited(0))
        #expect(try node.call("192.0.2.1:30041", from: .outside).results == ["ok"])
    }
}

@Suite(
    "explain: devices without programs", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 1, flags: ["--devices", "none"], manifests: door))
struct ExplainDeviceTests {
    @Test("an address that is on no device is asked by the device that leads to the client")
    func outside() throws {
        for subject in ["192.0.2.1:30041", "10.96.0.41:80"] {
            let (status, text) = try verdict(subject, "--outside", "192.0.2.2")
            #expect(status == .exited(4) && text.contains("is asked by eth0, which has no programs"), "\(text)")
        }
    }
}

@Suite(
    "explain: a device or an address that is away", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 1, manifests: door))
struct ExplainAwayTests {
    @Test("a node's address that no device has is told, and a device that is down")
    func away() throws {
        let node = try TestNode.current
        func run(_ command: String...) throws {
            let outcome = try Programs.run(command, in: node.lab.node.path)
            #expect(outcome.status == .exited(0), "\(outcome)")
        }
        try run("ip", "link", "set", "eth0", "down")
        let down = try verdict("10.96.0.41:80", "--outside", "192.0.2.2")
        try run("ip", "link", "set", "eth0", "up")
        #expect(down.status == .exited(4) && down.text.contains("device eth0 is down"), "\(down)")
        try run("ip", "address", "delete", "192.0.2.1/24", "dev", "eth0")
        let gone = try verdict("192.0.2.1:30041", "--outside", "198.51.100.7")
        try run("ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
        #expect(gone.status == .exited(4) && gone.text.contains("none of its devices has it"), "\(gone)")
    }
}
