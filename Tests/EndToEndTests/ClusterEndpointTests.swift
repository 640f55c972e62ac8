import Foundation
import NetworkLab
import LabAPIServer
import TestKit
import Testing

/// What a node's operator and its load balancers are told over HTTP.
@Suite("a cluster's endpoints", .tags(.endToEnd), .endToEnd, .serialized, .node(pods: 2, starts: false))
struct ClusterEndpointTests {
    private static let healthz: UInt16 = 10_256
    private static let metrics: UInt16 = 10_249
    private static let checkPort: UInt16 = 30_500

    private static let balanced = ClusterManifest.service("web", "10.96.0.15") { service in
        service["spec"]?["type"] = "LoadBalancer"
        service["spec"]?["externalTrafficPolicy"] = "Local"
        service["spec"]?["healthCheckNodePort"] = .number(Double(checkPort))
        service["spec"]?["ports"] = [
            ["name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": 30080]
        ]
        service["status"] = ["loadBalancer": ["ingress": [["ip": "203.0.113.10"]]]]
    }
    private static let objects = [ClusterManifest.node, balanced, ClusterManifest.slice("web", pods: [1])]

    private func status(_ path: String, _ port: UInt16, on node: TestNode, at host: String = "127.0.0.1") -> Int? {
        (try? node.get(path, port: port, at: host))?.status
    }

    @Test("health, metrics, proxy mode and configuration are there")
    func answers() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            #expect(try eventually { status("/metrics", Self.metrics, on: node) == 200 })
            #expect(try eventually { status("/healthz", Self.healthz, on: node) == 200 })
            #expect(try node.get("/livez", port: Self.healthz).status == 200)
            #expect(try node.get("/proxyMode", port: Self.metrics).body == "ebpf")
            let metrics = try node.get("/metrics", port: Self.metrics).body
            #expect(metrics.contains("kubeproxy_sync_proxy_rules_duration_seconds_count"))
            for line in ["swiftlet_api_server_up 1", #"swiftlet_hooks_attached{hook="connect4"} 1"#] {
                #expect(
                    try eventually { try node.get("/metrics", port: Self.metrics).body.contains("\n\(line)\n") },
                    "\(line)")
            }
            // The daemon of this node is not below the cgroup that it serves, and so cannot ask.
            #expect(!metrics.contains("\nswiftlet_effective "))
            let host = try #require(api.hello.url.split(separator: "/").last)
            #expect(metrics.contains(#"rest_client_requests_total{code="200",method="GET",host="\#(host)"}"#))
            #expect(
                metrics.contains(#"rest_client_request_duration_seconds_bucket{verb="GET",host="\#(host)",le="0.005"}"#)
            )
            let configuration = try JSONSerialization.jsonObject(
                with: Data(node.get("/configz", port: Self.metrics).body.utf8))
            #expect(configuration is [String: Any])
        }
    }

    @Test("a health check port counts the ready endpoints of this node")
    func checksHealth() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            let host = "192.0.2.1"
            #expect(try eventually { status("/", Self.checkPort, on: node, at: host) == 200 })
            #expect(try node.get("/", port: Self.checkPort, at: host).body.contains(#""localEndpoints":1"#))
            try api.put(
                ClusterManifest.slice("web", pods: [1]) { _ in
                    ["conditions": ["ready": false, "serving": true, "terminating": true]]
                })
            #expect(try eventually { status("/", Self.checkPort, on: node, at: host) == 503 })
            try api.delete("services", "web")
            #expect(try eventually { status("/", Self.checkPort, on: node, at: host) == nil })
        }
    }

    @Test("ports that somebody else has are named with who has them, and the rest goes on")
    func namesBusyPorts() throws {
        let node = try TestNode.current
        let ports = ["\(Self.metrics)", "\(Self.checkPort)"]
        let squatter = try RunningProcess(
            [Programs.lab, "serve", "--name", "squatter"] + ports.flatMap { ["--tcp", $0] }, in: node.lab.node.path)
        _ = try squatter.readLine()
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            #expect(try eventually { try node.status().degraded.count >= 2 })
            let degraded = try node.status().degraded.joined(separator: "\n")
            for port in ports {
                #expect(degraded.contains(":\(port) "), "\(degraded)")
                #expect(node.logText.contains(":\(port) "))
            }
            #expect(degraded.contains("PID \(squatter.pid) (swiftlet-lab)"), "\(degraded)")
            #expect(try eventually { status("/healthz", Self.healthz, on: node) == 200 })
            #expect(try node.call("10.96.0.15:80", "--count", "5").results == ["ok"])
        }
        try squatter.terminate()
    }

    @Test("a node that goes is not eligible, and alive", arguments: [true, false])
    func losesNode(isDeleted: Bool) throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            #expect(try eventually { status("/healthz", Self.healthz, on: node) == 200 })
            if isDeleted {
                try api.delete("nodes", Manifest.nodeName)
            } else {
                var tainted = ClusterManifest.node
                tainted["spec"] = [
                    "taints": [["key": "ToBeDeletedByClusterAutoscaler", "value": "1", "effect": "NoSchedule"]]
                ]
                try api.put(tainted)
            }
            #expect(try eventually { status("/healthz", Self.healthz, on: node) == 503 })
            #expect(try node.get("/livez", port: Self.healthz).status == 200)
            try api.put(ClusterManifest.node)
            #expect(try eventually { status("/healthz", Self.healthz, on: node) == 200 })
        }
    }
}
