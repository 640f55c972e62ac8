import Foundation
import Glibc
import NetworkLab
import Testing

/// Devices that endpoints tell of, and what a node says of its addresses, ports and policies.
@Suite(
    "endpoint devices", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, manifests: ["web.yaml": ServedManifests.web]))
struct EndpointDeviceTests {
    /// A Service with an endpoint behind eth9, a device that holds no node address and no default route.
    private static let far = Manifest.file(
        Manifest.service(
            "far", ["10.96.0.77"], ports: ["{port: 80, targetPort: 8080, nodePort: 30077}"], spec: "type: NodePort"),
        Manifest.slice("far", ["10.77.0.5"], endpoint: "nodeName: node-2"))

    /// A second network of the node, with an echo server that knows the node and nobody else.
    private struct SecondNetwork: ~Copyable {
        let namespace: NetworkNamespace
        let server: RunningProcess

        /// - Parameter device: the node's, of another name each time: it goes a moment after its namespace.
        init(of node: TestNode, by device: String) throws {
            let namespace = try NetworkNamespace("far")
            try node.lab.node.connect(device, to: namespace, "eth0")
            try node.lab.node.addAddress("10.77.0.1/24", to: device)
            try namespace.addAddress("10.77.0.5/24", to: "eth0")
            let command = [Programs.lab, "serve", "--name", "far", "--tcp", "8080", "--udp", "8080"]
            let server = try RunningProcess(command, in: namespace.path)
            _ = try server.readLine()
            self.namespace = namespace
            self.server = server
        }

        deinit { _ = try? server.terminate() }
    }

    private static let left = "–: its addresses are not in this node's Node object, and no default route uses it"

    private static let kept = "it keeps its programs, for flows that are open"

    private func device(_ name: String) throws -> String? {
        let found = try TestNode.current.status().daemon?.devices.first { $0.name == name }
        return found.map { "\($0.role ?? "–"): \($0.reason)" }
    }

    @Test("a device that leads to an endpoint elsewhere is served by itself, and open flows outlive the endpoint")
    func second() throws {
        let node = try TestNode.current
        let network = try SecondNetwork(of: node, by: "eth9")
        try node.start()
        defer { _ = try? node.stop() }
        #expect(try device("eth9") == Self.left)
        try node.write(Self.far, to: "far.yaml")
        #expect(
            try eventually { try device("eth9") == "outside: leads to endpoints elsewhere, 10.77.0.5 for one" },
            "\(node.logText)")
        #expect(try node.call("192.0.2.1:30077", "--count", "5", from: .outside).results == ["ok"])
        let held = try node.hold("192.0.2.1:30077", from: .outside)
        #expect(try held.send().map(\.result) == ["ok"])
        try node.remove("far.yaml")
        #expect(try eventually { try device("eth9")?.hasSuffix(Self.kept) == true }, "\(node.logText)")
        #expect(try held.send().map(\.result) == ["ok"], "spec 27")
        try node.stop()
        try node.start()
        #expect(try eventually { try device("eth9")?.hasSuffix(Self.kept) == true }, "\(node.logText)")
        #expect(try held.send().map(\.result) == ["ok"], "and the next start")
        // Who names devices means no others.
        try node.stop()
        try node.start(with: Array(node.runArguments().dropFirst()) + ["--devices", "eth0"])
        #expect(try eventually { try device("eth9") == "–: not named by --devices" }, "\(node.logText)")
        try node.stop()
        try node.start()
        #expect(try device("eth9") == Self.left)
        try node.stop()
        try node.write(Self.far, to: "far.yaml")
        try node.start()
        #expect(try node.call("192.0.2.1:30077", "--count", "5", from: .outside).results == ["ok"])
        try node.remove("far.yaml")
        withExtendedLifetime(network.server) {}
    }

    @Test("what cannot be served is said: endpoints behind a device without programs, and NodePorts on one")
    func unserved() throws {
        let node = try TestNode.current
        let network = try SecondNetwork(of: node, by: "eth8")
        try node.write(Self.far, to: "far.yaml")
        let arguments = Array(node.runArguments().dropFirst())
        try node.start(with: arguments + ["--devices", "eth0", "--nodeport-addresses", "all"])
        defer { _ = try? node.stop() }
        let status = try node.status()
        #expect(
            status.degraded == [
                """
                1 endpoint (10.77.0.5) are reached by eth8, which has no programs (not named by --devices): clients \
                outside get no answers from them; name it with --devices
                """
            ])
        #expect(
            status.daemon?.risks.filter { $0.hasPrefix("NodePorts at ") } == [
                """
                NodePorts at 10.77.0.1 do not answer clients that come by eth8, which has no programs (not named by \
                --devices); name it with --devices
                """
            ])
        try node.remove("far.yaml")
        withExtendedLifetime(network.server) {}
    }

    @Test("devices of pods are found: the bridge that leads to endpoints, and its ports")
    func findsPods() throws {
        let node = try TestNode.current
        let arguments = Array(node.runArguments().dropFirst())
        try node.start(with: arguments + ["--pod-interfaces", "auto"])
        defer { _ = try? node.stop() }
        let pods = try node.status().daemon?.devices.filter { $0.role == "pods" } ?? []
        #expect(pods.count == 4, "\(pods)")
        #expect(pods.contains { $0.name == "br0" && $0.reason.hasPrefix("leads to pods of this node, ") })
        #expect(pods.filter { $0.reason == "a port of br0, which leads to pods of this node (auto)" }.count == 3)
        #expect(try node.call("192.0.2.1:30080", "--count", "5", from: .outside).results == ["ok"])
        #expect(try node.call("10.96.0.15:80", "--count", "5", from: .pod(1)).results == ["ok"])
        // The last endpoints go, and with them the reason for these devices.
        let held = try node.hold("192.0.2.1:30080", "--connections", "6", from: .outside)
        #expect(Set(try held.send().map(\.result)) == ["ok"])
        try node.remove("web.yaml")
        defer { try? node.write(ServedManifests.web, to: "web.yaml") }
        #expect(try eventually { try device("br0")?.hasSuffix(Self.kept) == true }, "\(node.logText)")
        #expect(Set(try held.send().map(\.result)) == ["ok"], "spec 27")
        try node.stop()
        try node.start(with: arguments + ["--pod-interfaces", "auto"])
        #expect(try device("br0")?.hasSuffix(Self.kept) == true, "\(node.logText)")
        #expect(Set(try held.send().map(\.result)) == ["ok"], "and the next start")
    }

    @Test("a device that is down for a moment, or renamed, keeps its programs and its flows")
    func flaps() throws {
        let node = try TestNode.current
        try node.start()
        defer { _ = try? node.stop() }
        let held = try node.hold("192.0.2.1:30080", "--connections", "6", from: .outside)
        #expect(Set(try held.send().map(\.result)) == ["ok"])
        let route = try node.lab.node.ip("-o", "route", "show", "default").split(separator: "\n").map(String.init)
        for (from, to) in [("eth0", "eth0"), ("eth0", "wan0"), ("wan0", "eth0")] {
            try node.lab.node.ip(lines: ["link set \(from) down"])
            #expect(try eventually { try device(from) == "outside: down; \(Self.kept)" }, "\(node.logText)")
            let name = from == to ? [] : ["link set \(from) name \(to)"]
            let routes = route.map { "route replace \($0.replacing("eth0", with: to))" }
            try node.lab.node.ip(lines: name + ["link set \(to) up"] + routes)
            #expect(Set(try held.send().map(\.result)) == ["ok"], "\(to)")
            #expect(try node.call("192.0.2.1:30080", "--count", "20", from: .outside).results == ["ok"])
            #expect(try eventually { try device(to)?.hasPrefix("outside: holds the node address") == true })
            #expect(!node.logText.contains("took the programs off a device  device=\(from)"), "\(node.logText)")
        }
    }

    /// A daemon that starts knows no endpoint yet; the flows of clients outside go by the pods' devices.
    @Test("a restart leaves the programs on devices of pods that were found", arguments: [SIGTERM, SIGKILL])
    func restarts(signal: CInt) throws {
        let node = try TestNode.current
        let arguments = Array(node.runArguments().dropFirst()) + ["--pod-interfaces", "auto"]
        try node.start(with: arguments)
        defer { _ = try? node.stop() }
        let devices = try node.status().daemon?.devices.filter { $0.role != nil }.map(\.name) ?? []
        #expect(devices.count == 5, "\(devices)")
        if signal == SIGKILL { try node.kill() } else { try node.stop() }
        try node.start(with: arguments)
        #expect(try node.status().daemon?.devices.filter { $0.role != nil }.map(\.name) ?? [] == devices)
        #expect(!node.logText.contains("took the programs off a device"), "\(node.logText)")
        // And those that nobody wants any more lose them.
        try node.stop()
        try node.start()
        #expect(try node.status().daemon?.devices.filter { $0.role != nil }.map(\.name) ?? [] == ["eth0"])
        #expect(node.logText.contains("took the programs off a device"), "\(node.logText)")
    }

    @Test("ports and closed ranges follow the kernel's settings and policies")
    func follows() throws {
        let node = try TestNode.current
        try node.start()
        defer { _ = try? node.stop() }
        func packets() throws -> String {
            let packets = try node.status().daemon?.packets
            return "\(packets?.masqueradePorts.joined(separator: ",") ?? "–") \(packets?.closedRanges ?? [])"
        }
        #expect(try packets() == "1024-29999,61000-65535 []")
        let selector = "src 0.0.0.0/0 dst 10.9.0.0/16 dir out"
        try node.lab.node.ip(lines: ["xfrm policy add \(selector) action block"])
        #expect(try eventually { try packets() == #"1024-29999,61000-65535 ["10.9.0.0/16"]"# })
        try node.lab.node.ip(lines: ["xfrm policy delete \(selector)"])
        #expect(try eventually { try packets() == "1024-29999,61000-65535 []" })

        func sharesPorts() throws -> Bool {
            try node.status().daemon?.risks.contains { $0.contains("leaves no ports to flows alone") } == true
        }
        try node.lab.node.set("ipv4/ip_local_port_range", to: "1024 65535")
        #expect(try eventually(within: 10_000) { try packets() == "1024-29999,32768-65535 []" && sharesPorts() })
        try node.lab.node.set("ipv4/ip_local_port_range", to: "32768 60999")
        #expect(try eventually(within: 10_000) { try packets() == "1024-29999,61000-65535 []" && !sharesPorts() })
    }

    /// Which ports flows get is one thing, which they have another.
    @Test("open connections outlive a change of the ports that flows get")
    func keepsPorts() throws {
        let node = try TestNode.current
        let arguments = Array(node.runArguments().dropFirst()) + ["--pod-interfaces", "auto", "--masquerade-ports"]
        try node.start(with: arguments + ["2000-2999"])
        defer { _ = try? node.stop() }
        let held = try node.hold("192.0.2.1:30080", "--connections", "6", from: .outside)
        let clients = try held.send().compactMap { $0.client.flatMap { SocketAddress($0) } }
        #expect(clients.count == 6 && clients.allSatisfy { (2_000...2_999).contains($0.port) }, "\(clients)")
        for ports in ["3000-3999", "61000-61999"] {
            try node.stop()
            try node.start(with: arguments + [ports])
            #expect(Set(try held.send().map(\.result)) == ["ok"], "\(ports)")
            #expect(try node.call("192.0.2.1:30080", "--count", "5", from: .outside).results == ["ok"])
        }
    }

    @Test("what --forwarding=redirect passes by is said")
    func redirect() throws {
        let node = try TestNode.current
        let arguments = Array(node.runArguments().dropFirst())
        try node.start(with: arguments + ["--forwarding", "redirect"])
        defer { _ = try? node.stop() }
        let daemon = try #require(try node.status().daemon)
        #expect(daemon.packets?.forwarding == "redirect")
        #expect(daemon.risks.contains { $0.contains("pass by netfilter's FORWARD") })
    }
}
