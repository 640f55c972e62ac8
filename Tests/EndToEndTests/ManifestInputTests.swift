import Foundation
import NetworkLab
import Testing

/// Everything that a directory of manifests may hold, each as a Service at an address of its own.
@Suite("manifests", .tags(.endToEnd), .endToEnd, .serialized, .node(pods: 3))
struct ManifestInputTests {
    /// A file, the address that it serves, and who answers there.
    struct Input: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var file: String
        var text: String
        var target: String
        var pods: Set<String>
    }

    static let inputs = [
        Input(
            testDescription: "JSON", file: "service.json",
            text: """
                {"apiVersion": "v1", "kind": "List", "items": [
                  {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "json"},
                   "spec": {"clusterIP": "10.96.1.1", "ports": [{"port": 80}]}},
                  {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                   "metadata": {"name": "json-1", "labels": {"kubernetes.io/service-name": "json"}},
                   "addressType": "IPv4", "ports": [{"port": 8080, "protocol": "TCP"}],
                   "endpoints": [{"addresses": ["10.244.0.11"]}]}]}
                """, target: "10.96.1.1:80", pods: ["pod-1"]),
        Input(
            testDescription: "Endpoints, mirrored", file: "endpoints.yml",
            text: Manifest.file(
                Manifest.service("mirrored", ["10.96.1.2"]),
                """
                apiVersion: v1
                kind: Endpoints
                metadata: {name: mirrored}
                subsets: [{addresses: [{ip: 10.244.0.12}], ports: [{port: 8080}]}]
                """), target: "10.96.1.2:80", pods: ["pod-2"]),
        Input(
            testDescription: "a selector and Pods, one of them not ready", file: "pods.yaml",
            text: Manifest.file(
                Manifest.service("selecting", ["10.96.1.3"], spec: "selector: {app: echo}"),
                pod("one", "10.244.0.11", isReady: true), pod("two", "10.244.0.12", isReady: false),
                pod("three", "10.244.0.13", isReady: true)), target: "10.96.1.3:80", pods: ["pod-1", "pod-3"]),
        Input(
            testDescription: "a file in a sub-directory", file: "below/deeper/service.yaml",
            text: Manifest.file(
                Manifest.service("deep", ["10.96.1.4"]), Manifest.slice("deep", [Manifest.pods4[2]])),
            target: "10.96.1.4:80", pods: ["pod-3"]),
        Input(
            testDescription: "endpoints that are not ready get nothing", file: "unready.yaml",
            text: Manifest.file(
                Manifest.service("unready", ["10.96.1.5"]),
                Manifest.slice("unready", [Manifest.pods4[0]]),
                Manifest.slice("unready", [Manifest.pods4[1]], endpoint: "conditions: {ready: false}")
                    .replacing("name: unready-ipv4", with: "name: unready-2")),
            target: "10.96.1.5:80", pods: ["pod-1"]),
        Input(
            testDescription: "terminating endpoints serve when no other does (spec 12)", file: "terminating.yaml",
            text: Manifest.file(
                Manifest.service("terminating", ["10.96.1.6"]),
                Manifest.slice(
                    "terminating", [Manifest.pods4[1]],
                    endpoint: "conditions: {ready: false, serving: true, terminating: true}")),
            target: "10.96.1.6:80", pods: ["pod-2"]),
    ]

    private static func pod(_ name: String, _ address: String, isReady: Bool) -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name), labels: {app: echo}}
        spec: {nodeName: \(Manifest.nodeName)}
        status:
          podIP: \(address)
          podIPs: [{ip: \(address)}]
          conditions: [{type: Ready, status: "\(isReady ? "True" : "False")"}]
        """
    }

    @Test("are served, appear and go", arguments: inputs)
    func serves(input: Input) throws {
        let node = try TestNode.current
        if let slash = input.file.lastIndex(of: "/") {
            let directory = "\(node.manifests)/\(input.file[..<slash])"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
        try node.write(input.text, to: input.file)
        #expect(try eventually { try node.call(input.target).results == ["ok"] })
        #expect(try node.call(input.target, "--count", "20").pods == input.pods)
        #expect(try node.status().degraded == [])
        try node.remove(input.file)
        #expect(try eventually { try node.call(input.target).results == ["ENETUNREACH"] })
    }

    @Test("what is rightly not programmed says why")
    func leavesAlone() throws {
        let node = try TestNode.current
        let text = Manifest.file(
            Manifest.service("headless", ["None"]),
            """
            apiVersion: v1
            kind: Service
            metadata: {name: alias}
            spec: {type: ExternalName, externalName: example.com}
            """)
        try node.write(text, to: "alone.yaml")
        #expect(try eventually { try node.services()["alias"]?.leftAlone == "ExternalName" })
        #expect(try node.services()["headless"]?.leftAlone == "headless")
        #expect(try node.status().degraded == [])
        try node.remove("alone.yaml")
    }

    /// The first in stable order keeps it (spec 25).
    @Test("two Services that claim one address are reported, and the first keeps it")
    func reportsConflict() throws {
        let node = try TestNode.current
        for (number, name) in ["first", "second"].enumerated() {
            let text = Manifest.file(
                Manifest.service(name, ["10.96.1.\(20 + number)"], spec: "externalIPs: [198.51.100.20]"),
                Manifest.slice(name, [Manifest.pods4[number]]))
            try node.write(text, to: "\(name).yaml")
        }
        #expect(try eventually { try node.status().degraded.contains { $0.contains("198.51.100.20") } })
        #expect(try node.call("198.51.100.20:80", "--count", "10").pods == ["pod-1"])
        #expect(try node.call("10.96.1.21:80").pods == ["pod-2"], "the rest of the second is served")
        for name in ["first", "second"] { try node.remove("\(name).yaml") }
        #expect(try eventually { try node.status().degraded == [] })
    }

    @Test("the start says each phase with its duration, and then the log is quiet")
    func isQuiet() throws {
        let node = try TestNode.current
        let before = node.logText
        for phase in ["probed the kernel", "loaded the datapath", "programmed the first list", "attached the hooks"] {
            let line = before.split(separator: "\n").first { $0.contains(phase) }
            #expect(line?.contains("duration=") == true, "\(phase)")
        }
        let text = Manifest.file(Manifest.service("quiet", ["10.96.1.30"]), Manifest.slice("quiet", Manifest.pods4))
        try node.write(text, to: "quiet.yaml")
        #expect(try eventually { try node.call("10.96.1.30:80").results == ["ok"] })
        try node.remove("quiet.yaml")
        #expect(try eventually { try node.call("10.96.1.30:80").results == ["ENETUNREACH"] })
        // Other tests of this suite may have had problems to report before; these changes have none.
        #expect(node.logText == before)
    }
}

/// `--nodeport-addresses`: which addresses serve NodePorts.
@Suite(
    "node addresses", .tags(.endToEnd), .endToEnd,
    .node(pods: 3, flags: ["--nodeport-addresses", "all"], manifests: ["web.yaml": ServedManifests.web]))
struct NodeAddressTests {
    @Test("a new address of a device serves NodePorts within seconds, and stops when it goes")
    func followsDevices() throws {
        let node = try TestNode.current
        #expect(try node.call("10.244.0.1:30080", from: .pod(1)).results == ["ok"])
        try node.lab.node.addAddress("192.0.2.77/24", to: "eth0")
        #expect(try eventually(within: 10_000) { try node.call("192.0.2.77:30080", from: .pod(1)).results == ["ok"] })
        try node.lab.node.ip("address", "del", "192.0.2.77/24", "dev", "eth0")
        #expect(
            try eventually(within: 10_000) {
                try node.status().daemon?.nodePortAddresses.contains("192.0.2.77") == false
            })
        #expect(try node.call("192.0.2.77:30080", from: .node).results != ["ok"])
    }
}
