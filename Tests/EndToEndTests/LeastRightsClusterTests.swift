import Foundation
import NetworkLab
import LabAPIServer
import TestKit
import Testing

/// The same rights with a cluster as the source.
@Suite(
    "least rights, on a cluster", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, rights: .least))
struct LeastRightsClusterTests {
    private static let objects = [
        ClusterManifest.node,
        ClusterManifest.service("web", "10.96.0.15") { service in
            service["spec"]?["type"] = "LoadBalancer"
            service["spec"]?["externalTrafficPolicy"] = "Local"
            service["spec"]?["healthCheckNodePort"] = 30_500
            service["status"] = ["loadBalancer": ["ingress": [["ip": "203.0.113.10"]]]]
        },
        ClusterManifest.slice("web", pods: [1, 2]),
    ]

    private func answers(_ path: String, _ port: UInt16, on node: TestNode, at host: String = "127.0.0.1") -> Bool {
        (try? node.get(path, port: port, at: host))?.status == 200
    }

    @Test("it follows the API server, and answers on its ports")
    func follows() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            #expect(try node.call("10.96.0.15:80", "--count", "20").pods == ["pod-1", "pod-2"])
            #expect(try eventually { answers("/healthz", 10_256, on: node) })
            #expect(try eventually { answers("/metrics", 10_249, on: node) })
            #expect(try eventually { answers("/", 30_500, on: node, at: "192.0.2.1") })
            try api.put(ClusterManifest.slice("web", pods: [3]))
            #expect(try eventually { try node.call("10.96.0.15:80", "--count", "5").pods == ["pod-3"] })
            #expect(try node.status().degraded == [])
            #expect(try node.services()["web"]?.type == "LoadBalancer")
        }
    }

    @Test("after a boot without an API server it serves what it had written")
    func readsItsCache() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            let cache = "\(node.stateDirectory)/state.yaml"
            // A stop within two seconds of the start may come before it, where the machine is busy.
            #expect(try eventually(within: 20_000) { FileManager.default.fileExists(atPath: cache) })
            try node.stop()
            let attributes = try FileManager.default.attributesOfItem(atPath: cache)
            #expect(attributes[.ownerAccountID] as? UInt32 == DaemonRights.user)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            try api.goDown()
            #expect(try node.swiftlet("cleanup").status == .exited(0))
            try node.startAlone(following: api)
            #expect(node.logText.contains("serving the last known state"))
            #expect(try node.call("10.96.0.15:80", "--count", "20").pods == ["pod-1", "pod-2"])
        }
    }

    @Test("a port that somebody else has is named by status, which root runs, and not by the daemon")
    func namesHolders() throws {
        let node = try TestNode.current
        let squatter = try RunningProcess(
            [Programs.lab, "serve", "--name", "squatter", "--tcp", "10249"], in: node.lab.node.path)
        _ = try squatter.readLine()
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            #expect(try eventually { try node.status().degraded.count == 1 })
            let said = try node.status().degraded
            #expect(said.first?.contains("in use by PID \(squatter.pid) (swiftlet-lab)") == true, "\(said)")
            #expect(node.logText.contains("in use by a process that the daemon may not look at"))
        }
        try squatter.terminate()
    }
}
