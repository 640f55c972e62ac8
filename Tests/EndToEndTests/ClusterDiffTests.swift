import Foundation
import NetworkLab
import LabAPIServer
import Testing

/// `swiftlet diff` on a node that follows a cluster: manifests as people keep them, without what the API server fills in.
@Suite("diff in a cluster", .tags(.endToEnd), .endToEnd, .serialized, .node(pods: 3, starts: false))
struct ClusterDiffTests {
    private struct Report: Decodable {
        struct Endpoint: Decodable {
            var change: String
            var address: String
        }

        struct Frontend: Decodable {
            var change: String
            var address: String
            var port: Int
            var service: String
        }

        var frontends: [Frontend]
        var endpoints: [Endpoint]
        var problems: [String]
        var notes: [String]
    }

    private static let objects = [
        ClusterManifest.node,
        ClusterManifest.service("web", "10.96.0.15") { service in
            service["spec"]?["type"] = "NodePort"
            service["spec"]?["ports"] = [
                ["name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": 30080]
            ]
        },
        ClusterManifest.slice("web", pods: [1, 2]), ClusterManifest.service("other", "10.96.0.16"),
        ClusterManifest.slice("other", pods: [3]),
    ]

    /// As in git: no address, no NodePort, no slice.
    private static func web(port: Int = 80, selector: String = "web", type: String = "NodePort") -> String {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec:
          type: \(type)
          selector: {app: \(selector)}
          ports: [{name: http, port: \(port), targetPort: 8080}]
        """
    }

    private func diff(_ node: TestNode, _ text: String) throws -> (status: ChildProcess.Status, Report) {
        let new = "\(node.directory)/new-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: new, withIntermediateDirectories: true)
        try text.write(toFile: "\(new)/web.yaml", atomically: true, encoding: .utf8)
        let outcome = try node.swiftlet("diff", "--manifests", new, "-o", "json")
        return (outcome.status, try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8)))
    }

    @Test("what the API server has allocated stays, and so do endpoints and all other Services")
    func completes() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            let (status, same) = try diff(node, Self.web())
            #expect(status == .exited(0) && same.frontends.isEmpty && same.notes.isEmpty, "\(same)")

            let (changed, moved) = try diff(node, Self.web(port: 81))
            #expect(changed == .exited(1))
            let ports = moved.frontends.filter { $0.address == "10.96.0.15" }.map { "\($0.change) \($0.port)" }
            #expect(Set(ports) == ["removed 80", "added 81"], "\(moved)")
            #expect(moved.frontends.allSatisfy { $0.service == "web" } && moved.endpoints.isEmpty)

            let (_, plain) = try diff(node, Self.web(type: "ClusterIP"))
            #expect(!plain.frontends.isEmpty)
            #expect(plain.frontends.allSatisfy { $0.port == 30080 && $0.change == "removed" }, "\(plain)")
        }
    }

    @Test("what only the cluster will decide is said")
    func notes() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            let (_, selected) = try diff(node, Self.web(selector: "web-2"))
            #expect(selected.notes.contains { $0.contains("default/web: spec.selector is another") }, "\(selected)")
            let more = Self.web().replacingOccurrences(of: "{name: web}", with: "{name: more}")
            let (status, created) = try diff(node, more)
            #expect(status == .exited(0) && created.frontends.isEmpty)
            #expect(created.notes.count == 2, "\(created.notes)")
            #expect(created.notes.contains { $0.contains("default/more: the API server fills in spec.clusterIP") })
            #expect(created.notes.contains { $0.contains("spec.ports[http].nodePort") })
        }
    }

    @Test("slices in the manifests stand for the Service's; without the API server it cannot be told")
    func bringsSlices() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            let slice = Manifest.slice("web", ["10.244.0.13"], ports: ["{name: http, port: 8080, protocol: TCP}"])
            let (_, report) = try diff(node, Self.web() + "\n---\n" + slice)
            let changes = Set(report.endpoints.map { "\($0.change) \($0.address)" })
            #expect(changes == ["removed 10.244.0.11", "removed 10.244.0.12", "added 10.244.0.13"], "\(report)")
            try api.goDown()
            let new = "\(node.directory)/blind"
            try FileManager.default.createDirectory(atPath: new, withIntermediateDirectories: true)
            try Self.web().write(toFile: "\(new)/web.yaml", atomically: true, encoding: .utf8)
            let outcome = try node.swiftlet("diff", "--manifests", new)
            #expect(outcome.status == .exited(2) && outcome.output.contains("API server"), "\(outcome)")
        }
    }
}
