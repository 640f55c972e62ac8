import Foundation
import NetworkLab
import Testing

@Suite(
    "diff", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 3,
        manifests: [
            "web.yaml": ServedManifests.web,
            // Held against packets of pods, as no range of theirs is known.
            "gated.yaml": Manifest.file(
                Manifest.service(
                    "gated", ["10.96.0.51"], spec: "type: LoadBalancer\nloadBalancerSourceRanges: [10.244.0.12/32]",
                    ingress: ["203.0.113.51"]),
                Manifest.slice("gated", Manifest.pods4)),
        ]))
struct DiffTests {
    private struct Report: Decodable {
        struct Endpoint: Decodable {
            var change: String
            var address: String
            var service: String
            var sockets: Int
        }

        struct Frontend: Decodable {
            var change: String
            var service: String
        }

        var schema: Int
        var frontends: [Frontend]
        var endpoints: [Endpoint]
        var writes: [String: [String: Int]]
    }

    @Test("the manifests that are served change nothing; others say which open connections they touch")
    func compares() throws {
        let node = try TestNode.current
        #expect(try eventually { node.logText.contains("looking at packets of pods") })
        let same = try node.swiftlet("diff", "--manifests", node.manifests)
        #expect(same.status == .exited(0) && same.output == "nothing would change\n", "\(same)")

        let held = try node.hold("10.96.0.15:80", "--connections", "30")
        _ = try held.send()
        let new = "\(node.directory)/new"
        try FileManager.default.copyItem(atPath: node.manifests, toPath: new)
        let text = ServedManifests.web.replacingOccurrences(of: "10.244.0.11", with: "10.244.0.99")
        try text.write(toFile: "\(new)/web.yaml", atomically: true, encoding: .utf8)
        try Manifest.service("more", ["10.96.0.50"]).write(
            toFile: "\(new)/more.yaml", atomically: true, encoding: .utf8)

        let outcome = try node.swiftlet("diff", "--manifests", new)
        #expect(outcome.status == .exited(1), "\(outcome)")
        #expect(outcome.output.contains("open connections touched: "), "\(outcome)")
        let json = try node.swiftlet("diff", "--manifests", new, "-o", "json")
        let report = try JSONDecoder().decode(Report.self, from: Data(json.output.utf8))
        #expect(report.frontends.map(\.service) == ["more"] && report.frontends.map(\.change) == ["added"])
        let gone = report.endpoints.filter { $0.change == "removed" }
        #expect(Set(gone.map(\.address)) == ["10.244.0.11"] && gone.reduce(0) { $0 + $1.sockets } > 0, "\(json)")
        // Of each of the two service ports one endpoint comes and one goes.
        #expect(report.writes["backends4"]?["deleted"] == 2 && (report.writes["backends4"]?["written"] ?? 0) >= 2)
        // Nothing of it was done.
        #expect(try node.swiftlet("diff", "--manifests", node.manifests).status == .exited(0))
        #expect(try held.send().allSatisfy { $0.result == "ok" })
    }
}
