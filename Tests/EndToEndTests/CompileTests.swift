import Foundation
import NetworkLab
import Testing

/// `swiftlet compile`, which has nothing to do with the datapath of this node.
@Suite("compile", .tags(.endToEnd), .endToEnd, .serialized, .node(starts: false))
struct CompileTests {
    /// The parts of the JSON that are asked for here; docs/compile.md has them all.
    struct Report: Decodable {
        struct Frontend: Decodable {
            var address: String
            var kind: String
            var scope: String
            var action: String
        }

        struct Problem: Decodable {
            var object: String?
        }

        var schema: Int
        var frontends: [Frontend]
        var problems: [Problem]
    }

    /// Root, but without a single capability, also after exec.
    private static let powerless = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]

    @Test("it needs no privileges, and mistakes in manifests are part of the result")
    func compiles() throws {
        let node = try TestNode.current
        try node.write(ServedManifests.web, to: "web.yaml")
        try node.write(Manifest.file(Manifest.service("broken", ["10.96.0.999"])), to: "broken.yaml")
        let command =
            Self.powerless + [
                Programs.swiftlet, "compile", "--manifests", node.manifests, "--node", "here", "--node-address",
                "192.0.2.9",
            ]
        let report: Report = try Programs.decode(from: command + ["-o", "json"])
        #expect(report.schema == 1)
        #expect(report.frontends.contains { $0.kind == "ClusterIP" && $0.scope == "all" && $0.action == "balance" })
        #expect(report.problems.map(\.object) == ["Service default/broken"])

        let table = try Programs.run(command)
        #expect(table.status == .exited(0), "\(table)")
        #expect(table.output.contains("node here, zone unknown, NodePorts on 127.0.0.1 (host only), 192.0.2.9"))
        #expect(table.output.contains("problem: cannot use Service default/broken"))
        #expect(table.output.contains("swiftlet: cannot use Service default/broken"))
        try FileManager.default.removeItem(atPath: "\(node.manifests)/broken.yaml")
    }
}
