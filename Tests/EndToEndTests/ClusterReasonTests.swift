import Foundation
import NetworkLab
import LabAPIServer
import TestKit
import Testing

/// What only pods tell: the daemon lists them when it is asked, and keeps none.
@Suite("reasons in a cluster", .tags(.endToEnd), .endToEnd, .serialized, .node(pods: 1, starts: false))
struct ClusterReasonTests {
    private struct Answer: Decodable {
        struct Verdict: Decodable {
            var code: String
            var text: String
        }
        var works: Bool
        var verdict: Verdict
        var unseen: [String]
    }

    private static func pod(_ name: String, _ namespace: String, app: String, _ status: JSON) -> JSON {
        [
            "kind": "Pod", "apiVersion": "v1",
            "metadata": ["name": .text(name), "namespace": .text(namespace), "labels": ["app": .text(app)]],
            "spec": ["containers": [["name": "main", "ports": [["containerPort": 8080]]]]], "status": status,
        ]
    }

    private static let objects = [
        ClusterManifest.node, ClusterManifest.service("web", "10.96.0.15"),
        ClusterObjects.service("shop", namespace: "prod", ip: "10.96.0.16"),
        pod("web-a", "default", app: "web", ["phase": "Pending"]),
        pod("shop-a", "prod", app: "shop", ["phase": "Pending"]),
        ClusterManifest.service("gated", "10.96.0.17") { service in
            service["spec"]?["type"] = "LoadBalancer"
            service["spec"]?["loadBalancerSourceRanges"] = ["198.51.100.0/24"]
            service["status"] = ["loadBalancer": ["ingress": [["ip": "203.0.113.17"]]]]
        },
        ClusterManifest.slice("gated", pods: [1]),
        pod(
            "client", "apps", app: "client",
            ["phase": "Running", "podIP": "10.244.0.77", "podIPs": [["ip": "10.244.0.77"]]]),
    ]

    private func explain(_ node: TestNode, _ arguments: String...) throws -> Answer {
        let command = [Programs.swiftlet, "explain"] + arguments + ["-o", "json", "--bpf-root", node.bpfRoot]
        let outcome = try Programs.run(command, in: node.lab.node.path)
        return try JSONDecoder().decode(Answer.self, from: Data(outcome.output.utf8))
    }

    @Test("a pod that is Pending is named by explain, services and status, or they say what names it")
    func pending() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            let text = "1 pod matches, none usable: web-a (Pending)"
            let explained = try explain(node, "default/web")
            #expect(explained.verdict.code == "podPending" && explained.verdict.text == text, "\(explained)")
            // A name alone is the Service's of whatever namespace.
            #expect(try explain(node, "shop").verdict.text == "1 pod matches, none usable: shop-a (Pending)")
            let one = try node.swiftlet("services", "web").output
            #expect(one.contains("no backend: \(text); see docs/troubleshoot.md#podPending"), "\(one)")
            let listed = try node.swiftlet("services", "--broken").output
            #expect(listed.contains("`swiftlet explain prod/shop` looks at its pods"), "\(listed)")
            let status = try node.swiftlet("status").output
            #expect(
                status.contains("2 service ports have no backend: `swiftlet services --broken`\n  - default/web:http: ")
            )
            let unknown = "no EndpointSlice has endpoints of prod/shop; `swiftlet explain prod/shop` looks at its pods"
            #expect(status.contains("  - prod/shop:http: \(unknown)\n"), "\(status)")
        }
    }

    @Test("the pod that asks is looked up, and one that is not there is told")
    func client() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            let refused = try explain(node, "203.0.113.17:80", "--from", "apps/client")
            #expect(refused.verdict.code == "sourceRange", "\(refused)")
            // But for its network namespace, which nobody enters for a question.
            #expect(refused.unseen.allSatisfy { $0.contains("network namespace") }, "\(refused)")
            let unknown = try explain(node, "203.0.113.17:80", "--from", "apps/nobody")
            #expect(unknown.unseen.contains { $0.hasPrefix("no pod apps/nobody is known, so that source ranges") })
        }
    }
}
