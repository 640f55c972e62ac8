import Foundation
import NetworkLab
import Testing

private let manifests = [
    "web.yaml": ServedManifests.web, "sticky.yaml": ServedManifests.sticky(isOn: true),
    "stable.yaml": ServedManifests.stable,
]

private struct ServicePort: Decodable, Hashable {
    var namespace: String
    var service: String
    var port: String
}

/// `flows`, `sockets` and `affinity`, and the ways in which lists are printed.
@Suite("what the maps remember", .tags(.endToEnd), .endToEnd, .serialized, .node(pods: 3, manifests: manifests))
struct MapMemoryTests {
    private struct Sockets: Decodable {
        struct Socket: Decodable {
            var kind: String
            var vip: String
            var vipPort: Int
            var backend: String
            var servicePort: ServicePort
            var pid: Int32?
        }

        var schema: Int
        var sockets: [Socket]
    }

    private struct Affinities: Decodable {
        struct Affinity: Decodable {
            var client: String?
            var clientNamespace: UInt64?
            var backend: String?
            var servicePort: ServicePort
            var expiresInSeconds: Int
        }

        var affinities: [Affinity]
    }

    private struct Flows: Decodable {
        struct Flow: Decodable {
            var `protocol`: String
            var client: String
            var vip: String
            var vipPort: Int
            var backend: String
            var state: String
            var servicePort: ServicePort
            var idleSeconds: Int
            var expiresInSeconds: Int
        }

        var flows: [Flow]
    }

    private func decoded<Report: Decodable>(_ arguments: String...) throws -> Report {
        let node = try TestNode.current
        return try Programs.decode(
            from: [Programs.swiftlet] + arguments + ["-o", "json", "--bpf-root", node.bpfRoot], in: node.lab.node.path)
    }

    @Test("a TCP connection and a UDP socket are shown with their process", arguments: ["connected", "unconnected"])
    func sockets(kind: String) throws {
        let node = try TestNode.current
        let target = kind == "connected" ? "10.96.0.15:80" : "10.96.0.30:53"
        let held =
            kind == "connected" ? try node.hold(target) : try node.hold(target, "--udp", "--unconnected")
        _ = try held.send()
        let report: Sockets = try decoded("sockets", kind == "connected" ? "web" : "stable")
        let socket = try #require(report.sockets.first)
        #expect(report.schema == 1)
        #expect(socket.kind == kind)
        #expect(Manifest.pods4.contains(socket.backend) && socket.pid == held.pid, "\(socket)")
        #expect("\(socket.vip):\(socket.vipPort)" == target)
        let others: Sockets = try decoded("sockets", "--pid", "1")
        #expect(others.sockets.isEmpty)
    }

    @Test("a client that is bound to a backend: the node's sockets, and an address")
    func affinity() throws {
        let node = try TestNode.current
        #expect(try node.call("10.96.0.31:80").results == ["ok"])
        #expect(try node.call("192.0.2.1:30031", from: .outside).results == ["ok"])
        let report: Affinities = try decoded("affinity", "default/sticky")
        #expect(report.affinities.contains { $0.client != nil && $0.clientNamespace == nil })
        #expect(report.affinities.contains { $0.clientNamespace != nil })
        #expect(report.affinities.allSatisfy { $0.backend?.hasSuffix(":8080") == true && $0.expiresInSeconds > 10_000 })
        let text = try node.swiftlet("affinity", "sticky")
        #expect(text.output.contains("this network namespace"), "\(text)")
        #expect(try node.swiftlet("affinity", "web").output.contains("no affinities"))
    }

    @Test("a flow of a client outside, found by each of its ends")
    func flows() throws {
        let node = try TestNode.current
        #expect(try node.call("192.0.2.1:30080", from: .outside).results == ["ok"])
        for subject in ["default/web", "192.0.2.1:30080", "192.0.2.1"] {
            let report: Flows = try decoded("flows", subject)
            let flow = try #require(report.flows.first { $0.vipPort == 30_080 }, "\(report)")
            #expect(flow.protocol == "TCP" && flow.vip == "192.0.2.1" && Manifest.pods4.contains(flow.backend))
            #expect(flow.servicePort == ServicePort(namespace: "default", service: "web", port: "http"))
            #expect(flow.expiresInSeconds > 0 && flow.idleSeconds < 100)
        }
        #expect(try node.swiftlet("bpf", "ct", "list", "global", "-o", "name").output.contains("default/web:http\n"))
        #expect(try node.swiftlet("flows", "203.0.113.99").output.contains("no flows"))
        #expect(try node.swiftlet("flows", "-o", "wide").output.contains("SEEN AS"))
    }
}

@Suite("services, as people type it", .tags(.endToEnd), .serialized, .endToEnd, .node(pods: 3, manifests: manifests))
struct ServicesOutputTests {
    @Test("names and YAML")
    func prints() throws {
        let node = try TestNode.current
        #expect(try node.swiftlet("services", "-o", "name").output == "default/stable\ndefault/sticky\ndefault/web\n")
        let yaml = try node.swiftlet("services", "stable", "-o", "yaml").output
        #expect(yaml.contains("schema: 1\nservices:\n- externalTrafficPolicy: Cluster\n"), "\(yaml)")
        #expect(try node.swiftlet("map", "list", "-o", "name").output.contains("backends4\n"))
        #expect(try node.swiftlet("status", "-o", "yaml").output.contains("schema: 1\n"))
    }

    @Test("a terminal's lines are not wrapped")
    func fits() throws {
        let node = try TestNode.current
        let command = "stty cols 70; exec \(Programs.swiftlet) services --bpf-root \(node.bpfRoot)"
        let output = try Command.run(["script", "-qec", command, "/dev/null"])
        let lines = output.split(whereSeparator: \.isNewline)
        #expect(lines.count >= 4 && lines.allSatisfy { $0.count <= 70 }, "\(output)")
        #expect(output.contains("…"))
    }

    @Test("--watch prints what is there, then what changes, each event in a line")
    func watches() throws {
        let node = try TestNode.current
        let watch = try RunningProcess(
            [Programs.swiftlet, "services", "--watch", "-o", "json", "--bpf-root", node.bpfRoot], in: node.lab.node.path
        )
        defer { watch.signal(SIGKILL) }
        for name in ["stable", "sticky", "web"] {
            let line = try watch.readLine(within: 20_000)
            #expect(line.contains(#""type":"ADDED""#) && line.contains(#""name":"\#(name)""#), "\(line)")
        }
        #expect(try node.call("10.96.0.15:80").results == ["ok"])
        try node.write(Manifest.service("later", ["10.96.0.77"]), to: "later.yaml")
        let added = try watch.readLine(within: 20_000)
        #expect(added.contains(#""type":"ADDED""#) && added.contains(#""name":"later""#), "\(added)")
        try node.remove("later.yaml")
        let deleted = try watch.readLine(within: 20_000)
        #expect(deleted.contains(#""type":"DELETED""#) && deleted.contains(#""name":"later""#), "\(deleted)")
        watch.signal(SIGINT)
        #expect(try watch.wait(within: 10_000) == .exited(0), "Ctrl-C is how a watch ends")
    }
}
