import NetworkLab
import Testing

/// Every verdict is counted, and every connection by its Service.
@Suite(
    "counters", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 3,
        manifests: [
            "web.yaml": ServedManifests.web, "sticky.yaml": ServedManifests.sticky(isOn: true),
            "empty.yaml": ServedManifests.empty,
        ]))
struct CountingTests {
    /// What one call of eight attempts counts, and how often.
    struct Counted: Sendable, CustomTestStringConvertible {
        var target: String
        var options: [String] = []
        var counters: [String: Int]
        var testDescription: String { "\(target) \(options.joined(separator: " "))" }
    }

    @Test(
        "each verdict under its own name, exactly",
        arguments: [
            Counted(target: "10.96.0.15:80", counters: ["forward": 8, "reverse_peer": 8]),
            Counted(target: "10.96.0.31:80", counters: ["forward": 1, "forward_affinity": 7, "reverse_peer": 8]),
            Counted(
                target: "10.96.0.15:53", options: ["--udp", "--unconnected", "--same-socket"],
                // The pod, which is served as well, sends eight replies.
                counters: ["forward": 1, "forward_same_flow": 7, "reverse_reply": 8, "pass_not_a_service": 8]),
            Counted(target: "10.96.0.20:80", counters: ["refuse_no_backend": 8]),
            Counted(target: "10.96.0.15:99", counters: ["refuse_unknown_port": 8]),
            Counted(target: "10.244.0.11:8080", counters: ["pass_not_a_service": 8]),
        ])
    func counts(call: Counted) throws {
        let node = try TestNode.current
        let before = try node.status().counters
        _ = try node.call(call.target, options: call.options + ["--count", "8"], from: .node)
        let after = try node.status().counters
        var difference = after.merging(before, uniquingKeysWith: -)
        // What the kernel sends by itself on a device, as neighbour discovery, is no call.
        difference["pass_packet"] = nil
        #expect(difference.filter { $0.value != 0 } == call.counters)
    }

    @Test("services counts connections and refusals")
    func countsServices() throws {
        let node = try TestNode.current
        func counts(_ service: String) throws -> ServicesReport.Connections? {
            try node.services()[service]?.ports.first { $0.family == 4 && $0.protocol == "TCP" }?.connections
        }
        let (web, empty) = (try #require(try counts("web")), try #require(try counts("empty")))
        _ = try node.call("10.96.0.15:80", "--count", "11")
        _ = try node.call("192.0.2.1:30080", "--count", "3", from: .pod(1))
        _ = try node.call("10.96.0.20:80", "--count", "5")
        let refused = empty.refused + 5
        #expect(try counts("web") == .init(forwarded: web.forwarded + 14, refused: 0, refusedByReason: [:]))
        #expect(
            try counts("empty")
                == .init(forwarded: 0, refused: refused, refusedByReason: ["no_endpoints": refused]))
        let text = try node.swiftlet("services", "empty").output
        #expect(text.contains("counted:   0 connections, \(refused) refused (no_endpoints \(refused))\n"), "\(text)")
        let table = try node.swiftlet("services", "-o", "wide").output
        #expect(table.contains(" \(refused) (no_endpoints \(refused)) "), "\(table)")
    }

    /// Pods have cgroups of their own below the one that is served.
    @Test("processes in cgroups below are served")
    func servesDescendants() throws {
        let node = try TestNode.current
        let below = try Cgroup("below", below: node.cgroup.path)
        let report: CallReport = try Programs.decode(
            from: [Programs.lab, "call", "10.96.0.15:80"], in: node.namespace(of: .pod(1)), cgroup: below.path)
        #expect(report.results == ["ok"])
        // And others are not.
        let beside: CallReport = try Programs.decode(
            from: [Programs.lab, "call", "10.96.0.15:80"], in: node.namespace(of: .node))
        #expect(beside.results == ["ENETUNREACH"])
    }
}
