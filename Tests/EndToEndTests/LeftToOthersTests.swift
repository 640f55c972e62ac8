import Foundation
import NetworkLab
import Testing

private let ports = ["{name: http, port: 80}", "{name: echo, port: 53, protocol: UDP}"]
private let slicePorts = ["{name: http, port: 8080, protocol: TCP}", "{name: echo, port: 8080, protocol: UDP}"]

private func service(_ name: String, _ number: Int, annotation: String? = nil, external: String? = nil) -> String {
    let text = Manifest.service(
        name, ["10.96.0.\(number)", "fd00:96::\(number)"], ports: ports,
        spec: external.map { "externalIPs: [\($0)]" } ?? "")
    let annotated = annotation.map {
        text.replacingOccurrences(of: "{name: \(name)}", with: "{name: \(name), annotations: {\($0)}}")
    }
    return Manifest.file(
        annotated ?? text, Manifest.slice(name, Manifest.pods4, ports: slicePorts),
        Manifest.slice(name, Manifest.pods6, ports: slicePorts))
}

/// Addresses and sockets that swiftlet leaves to somebody else.
@Suite(
    "left to others", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 3,
        manifests: [
            "cached.yaml": service("cached", 60), "plain.yaml": service("plain", 61),
            "meshed.yaml": service(
                "meshed", 62, annotation: "swiftlet.io/socket-lb: \"off\"", external: "198.51.100.62"),
            "odd.yaml": service("odd", 63, external: "127.0.0.1, 0.0.0.0, 169.254.1.1, 224.0.0.5"),
        ]))
struct LeftToOthersTests {
    /// A device with these addresses, as NodeLocal DNSCache has one, and what listens there.
    private func withCache<Value>(
        _ node: TestNode, device: String = "nodelocaldns", _ body: () throws -> Value
    ) throws -> Value {
        func ip(_ arguments: String...) throws {
            try Command.run(["nsenter", "--net=\(node.lab.node.path)", "ip"] + arguments)
        }
        // A kernel for tests may have no dummies; what kind it is does not matter.
        try ip("link", "add", device, "type", "veth", "peer", "name", "nobody")
        defer { try? ip("link", "delete", device) }
        try ip("address", "add", "10.96.0.60/32", "dev", device)
        try ip("address", "add", "fd00:96::60/128", "dev", device, "nodad")
        try ip("link", "set", device, "up")
        let caches = try ["10.96.0.60", "fd00:96::60"].map {
            try node.start(
                [Programs.lab, "serve", "--name", "cache", "--tcp", "80", "--udp", "53", "--address", $0], at: .node)
        }
        defer { for cache in caches { _ = try? cache.terminate() } }
        for cache in caches { #expect(try cache.readLine() == "ready") }
        return try body()
    }

    @Test("a ClusterIP that a device holds is answered by who listens there, while the device holds it")
    func cache() throws {
        let node = try TestNode.current
        let targets = ["10.96.0.60", "[fd00:96::60]"]
        func pods(_ target: String, _ place: TestNode.Place) throws -> [Set<String>] {
            [
                Set(try node.call("\(target):80", "--count", "6", from: place).pods),
                Set(try node.call("\(target):53", "--udp", "--count", "6", from: place).pods),
                Set(try node.call("\(target):53", "--udp", "--unconnected", "--count", "6", from: place).pods),
            ]
        }
        for target in targets {
            #expect(try pods(target, .pod(1)).allSatisfy { $0.isSubset(of: ["pod-1", "pod-2", "pod-3"]) })
        }
        try withCache(node) {
            for target in targets {
                for place in [TestNode.Place.node, .pod(1)] {
                    let isLeft = try eventually { try pods(target, place).allSatisfy { $0 == ["cache"] } }
                    #expect(isLeft, "\(target) from \(place)")
                }
            }
            #expect(try node.call("10.96.0.61:80", "--count", "6", from: .pod(1)).results == ["ok"])
            let said = try node.services().services.first { $0.name == "cached" }?.problems ?? []
            #expect(said.contains { $0.contains("10.96.0.60 is left to what listens there") }, "\(said)")
            let table = try node.swiftlet("services", "-o", "wide").output.split(separator: "\n")
            for row in table.filter({ $0.contains("default/cached") }) {
                #expect(!(row.contains("10.96.0.60 is left") && row.contains("fd00:96::60 is left")), "\(row)")
            }
            let status = try node.status()
            #expect(status.daemon?.risks.contains { $0.contains("10.96.0.60 is left") } == true)
            #expect(status.degraded == [])
        }
        for target in targets {
            let isBack = try eventually {
                try pods(target, .node).allSatisfy { !$0.isEmpty && $0.isSubset(of: ["pod-1", "pod-2", "pod-3"]) }
            }
            #expect(isBack, "\(target): the device is gone")
        }
    }

    @Test("kube-proxy's own device does not count")
    func ipvs() throws {
        let node = try TestNode.current
        try withCache(node, device: "kube-ipvs0") {
            // A change that is seen afterwards tells that the device was seen, too.
            try node.write(service("later", 64), to: "later.yaml")
            #expect(try eventually { try node.call("10.96.0.64:80").results == ["ok"] })
            #expect(!(try node.call("10.96.0.60:80", "--count", "6").pods.contains("cache")))
        }
        try node.remove("later.yaml")
    }

    @Test("with the annotation sockets see the Service's own address, and packets are translated")
    func annotation() throws {
        let node = try TestNode.current
        #expect(try node.call("10.96.0.61:80").results == ["ok"])
        #expect(try node.call("10.96.0.62:80").results != ["ok"], "nothing leads there, and no hook does")
        #expect(try node.call("10.96.0.62:53", "--udp", "--unconnected").results != ["ok"])
        #expect(try node.call("198.51.100.62:80", from: .outside).results == ["ok"], "at tc")
        try node.write(service("meshed", 62), to: "meshed.yaml")
        #expect(try eventually { try node.call("10.96.0.62:80").results == ["ok"] })
    }

    @Test("a loopback address takes no pod's loopback, others are no frontends, and all are told of")
    func oddAddresses() throws {
        let node = try TestNode.current
        #expect(try node.call("127.0.0.1:80").results == ["ok"], "the node's own")
        #expect(try node.call("127.0.0.1:80", from: .pod(1)).results == ["ECONNREFUSED"], "a pod's is the pod's")
        #expect(try node.call("169.254.1.1:80").results != ["ok"])
        let said = try node.services().services.first { $0.name == "odd" }?.problems ?? []
        #expect(said.contains { $0.contains("127.0.0.1 is served for the node's own sockets only") }, "\(said)")
        for address in ["0.0.0.0", "169.254.1.1", "224.0.0.5"] {
            #expect(said.contains { $0.contains("\(address) is not served") }, "\(said)")
        }
        let risks = try node.status().daemon?.risks ?? []
        #expect(risks.contains { $0.contains("Service default/odd: ") && $0.contains("224.0.0.5") }, "\(risks)")
    }

    @Test("sockets of one protocol alone", arguments: ["tcp", "udp"])
    func oneProtocol(proto: String) throws {
        let node = try TestNode.current
        try node.stop()
        try node.start(with: Array(node.runArguments().dropFirst()) + ["--socket-lb", proto])
        defer {
            _ = try? node.stop()
            try? node.start()
        }
        #expect((try node.call("10.96.0.61:80").results == ["ok"]) == (proto == "tcp"))
        #expect(!(try node.status().daemon?.risks.contains { $0.contains("NodePorts") } ?? true), "there is none")
        for options in [["--udp"], ["--udp", "--unconnected"]] {
            #expect(
                (try node.call("10.96.0.61:53", options: options, from: .node).results == ["ok"]) == (proto == "udp"))
        }
    }
}
