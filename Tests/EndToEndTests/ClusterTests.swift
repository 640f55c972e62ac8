import Foundation
import NetworkLab
import LabAPIServer
import Testing

/// The Services of a cluster, from its API server to a connect.
@Suite("a cluster", .tags(.endToEnd), .endToEnd, .serialized, .node(pods: 3, starts: false))
struct ClusterTests {
    private static let web = [
        ClusterManifest.service("web", "10.96.0.15"), ClusterManifest.slice("web", pods: [1, 2]),
    ]

    private static let nodePort = ClusterManifest.service("web", "10.96.0.15") { service in
        service["spec"]?["type"] = "NodePort"
        service["spec"]?["ports"] = [
            ["name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": 30080]
        ]
    }

    @Test("Services are served from the list, changes follow, and what is deleted goes")
    func follows() throws {
        let node = try TestNode.current
        try node.withAPI([ClusterManifest.node] + Self.web) { api in
            try node.start(following: api)
            #expect(try node.call("10.96.0.15:80", "--count", "30").pods == ["pod-1", "pod-2"])
            let text = try node.swiftlet("status").output
            #expect(text.contains("following:       endpointslices (1), nodes (1), services (1)"), "\(text)")
            let status = try node.status()
            #expect(status.degraded == [])
            let daemon = try #require(status.daemon)
            #expect(daemon.sources == [api.hello.url])
            #expect(daemon.watches.map(\.resource) == ["endpointslices", "nodes", "services"])
            #expect(daemon.watches.allSatisfy { $0.url == api.hello.url && $0.objects == 1 && $0.lists == 1 })
            #expect(Set(daemon.nodePortAddresses) == ["192.0.2.1", "127.0.0.1", "::1"])
            #expect(daemon.programmed == daemon.desired)
            #expect(try node.services()["web"]?.ports.first?.backends.count == 2)

            try api.put(ClusterManifest.slice("web", pods: [3]))
            #expect(try eventually { try node.call("10.96.0.15:80", "--count", "5").pods == ["pod-3"] })
            try api.delete("services", "web")
            #expect(try eventually { try node.call("10.96.0.15:80").results == ["ENETUNREACH"] })
            #expect(try node.services()["web"] == nil)
            #expect(try node.status().degraded == [])
        }
    }

    @Test("the API server is asked first, and the programs are loaded meanwhile")
    func asksFirst() throws {
        let node = try TestNode.current
        try node.withAPI([ClusterManifest.node] + Self.web) { api in
            try node.start(following: api)
            let steps = [
                "asking the API server", "loaded the datapath", "attached the hooks", "programmed the first list",
            ]
            let log = node.logText
            let places = try steps.map { try #require(log.range(of: $0)?.lowerBound, "\(log)") }
            #expect(places == places.sorted(), "\(log)")
        }
    }

    @Test("the Node object's zone chooses among endpoints")
    func usesZone() throws {
        let node = try TestNode.current
        let slice = ClusterManifest.slice("web", pods: [1, 2]) { pod in
            ["hints": ["forZones": [["name": .text("zone-\(pod)")]]]]
        }
        try node.withAPI([ClusterManifest.node, Self.web[0], slice]) { api in
            try node.start(following: api)
            #expect(try node.call("10.96.0.15:80", "--count", "20").pods == ["pod-1"])
            var moved = ClusterManifest.node
            moved["metadata"]?["labels"] = ["topology.kubernetes.io/zone": "zone-2"]
            try api.put(moved)
            #expect(try eventually { try node.call("10.96.0.15:80", "--count", "10").pods == ["pod-2"] })
        }
    }

    @Test("a NodePort is served on an address as soon as a device has it")
    func followsAddress() throws {
        let node = try TestNode.current
        try node.withAPI([ClusterManifest.node, Self.nodePort, Self.web[1]]) { api in
            try node.start(following: api, "--nodeport-addresses", "192.0.2.0/24")
            #expect(try node.call("192.0.2.1:30080").results == ["ok"])
            try node.lab.node.ip("address", "add", "192.0.2.77/24", "dev", "eth0")
            #expect(try eventually(within: 2_000) { try node.call("192.0.2.77:30080").results == ["ok"] })
            #expect(try node.status().daemon?.nodePortAddresses.contains("192.0.2.77") == true)
            try node.lab.node.ip("address", "del", "192.0.2.77/24", "dev", "eth0")
            let isGone = try eventually { try node.status().daemon?.nodePortAddresses == ["192.0.2.1"] }
            #expect(isGone)
        }
    }

    @Test("two Services that claim one external IP are told of in one Event, unless Events are switched off")
    func writesEvent() throws {
        let node = try TestNode.current
        let claims = ["first", "second"].enumerated().map { number, name in
            ClusterManifest.service(name, "10.96.0.\(20 + number)") { $0["spec"]?["externalIPs"] = ["198.51.100.7"] }
        }
        try node.withAPI([ClusterManifest.node] + claims) { api in
            try node.start(following: api, "--event-recording=false")
            #expect(try node.status().daemon?.problems.count == 1)
            try node.stop()
            #expect(try api.events().isEmpty)

            try node.start(following: api)
            #expect(try eventually { try !api.events().isEmpty })
            try node.stop()
            let events = try api.events()
            #expect(events.count == 1)
            #expect(events.first?.regarding.name == "second")
            #expect(events.first?.note.contains("198.51.100.7") == true, "\(events)")
            #expect(events.first?.reportingInstance == Manifest.nodeName)
        }
    }

    @Test("what compile says of a cluster is what it says of the same objects in files")
    func compiles() throws {
        let node = try TestNode.current
        let objects = [ClusterManifest.node, Self.nodePort, Self.web[1], ClusterManifest.service("empty", "10.96.0.9")]
        for (number, object) in objects.enumerated() {
            try node.write(String(decoding: object.bytes, as: UTF8.self), to: "object-\(number).json")
        }
        defer { for number in objects.indices { try? node.remove("object-\(number).json") } }
        try node.remove("node.yaml")
        defer { try? node.write(Manifest.node, to: "node.yaml") }
        try node.withAPI([], options: ["--objects", node.manifests]) { api in
            let outputs = try [["--manifests", node.manifests], ["--kubeconfig", try kubeconfig(api, on: node)]].map {
                try Programs.run(
                    [Programs.swiftlet, "compile", "--node", Manifest.nodeName, "-o", "json"] + $0,
                    in: node.lab.node.path)
            }
            #expect(outputs[0].status == .exited(0), "\(outputs[0])")
            #expect(outputs[0].output == outputs[1].output)
            #expect(outputs[0].output.contains("30080"))
        }
    }

    @Test("--init-only programs the list of a cluster and exits")
    func initialises() throws {
        let node = try TestNode.current
        try node.withAPI([ClusterManifest.node] + Self.web) { api in
            let arguments = node.runArguments(from: ["--apiserver", api.hello.url]) + ["--init-only"]
            let outcome = try Programs.run(arguments, in: node.lab.node.path)
            #expect(outcome.status == .exited(0), "\(outcome)")
            #expect(try node.call("10.96.0.15:80", "--count", "5").results == ["ok"])
            #expect(try node.status().daemon == nil)
            #expect(!FileManager.default.fileExists(atPath: node.stateDirectory))
        }
    }

    @Test("a kubeconfig with a client certificate is followed over TLS")
    func usesCertificate() throws {
        let node = try TestNode.current
        try node.withAPI([ClusterManifest.node] + Self.web, options: ["--tls"]) { api in
            let file = try kubeconfig(api, on: node)
            try node.start(with: Array(node.runArguments(from: ["--kubeconfig", file]).dropFirst()))
            #expect(try node.call("10.96.0.15:80", "--count", "5").results == ["ok"])
            #expect(try node.status().degraded == [])
            try api.put(ClusterManifest.slice("web", pods: [3]))
            #expect(try eventually { try node.call("10.96.0.15:80", "--count", "5").pods == ["pod-3"] })
        }
    }

    private func kubeconfig(_ api: ClusterAPI, on node: TestNode) throws -> String {
        let file = "\(node.directory)/kubeconfig"
        let hello = api.hello
        for secret in [hello.authority, hello.certificate, hello.key].compactMap({ $0 }) {
            try node.rights.handOver(secret)
        }
        let authority = hello.authority.map { ", certificate-authority: \($0)" } ?? ""
        let user = hello.certificate.map { "client-certificate: \($0), client-key: \(hello.key ?? "")" } ?? ""
        let text = """
            apiVersion: v1
            kind: Config
            current-context: lab
            contexts: [{name: lab, context: {cluster: lab, user: lab}}]
            clusters: [{name: lab, cluster: {server: "\(hello.url)"\(authority)}}]
            users: [{name: lab, user: {\(user)}}]
            """
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }
}
