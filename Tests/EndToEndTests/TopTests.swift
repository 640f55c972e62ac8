import Foundation
import NetworkLab
import Testing

/// `swiftlet top` tells rates from the counters alone.
@Suite(
    "top", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 2, manifests: ["web.yaml": ServedManifests.web, "empty.yaml": ServedManifests.empty]))
struct TopTests {
    private struct Report: Decodable {
        struct Service: Decodable {
            var name: String
            var connects: Double
            var refused: Double
            var refusedByReason: [String: Double]
            var backends: Int
        }
        var schema: Int
        var services: [Service]
    }

    @Test("tells connects and refusals of each Service, an interval after the other")
    func tells() throws {
        let node = try TestNode.current
        let command = [
            Programs.swiftlet, "top", "-o", "json", "--interval", "0.3", "--sort", "name", "--bpf-root", node.bpfRoot,
        ]
        let process = try RunningProcess(command, in: node.namespace(of: .node), input: .null)
        func next() throws -> Report {
            try JSONDecoder().decode(Report.self, from: Data(process.readLine(within: 20_000).utf8))
        }
        _ = try next()
        for _ in 0..<5 {
            _ = try node.call("10.96.0.15:80")
            _ = try node.call("10.96.0.20:80")
        }
        var (connects, refused) = (0.0, 0.0)
        for _ in 0..<50 where connects == 0 || refused == 0 {
            let report = try next()
            try #require(report.schema == 1 && report.services.map(\.name) == ["empty", "web"])
            #expect(report.services[1].backends > 0)
            connects += report.services[1].connects
            refused += report.services[0].refusedByReason["no_endpoints"] ?? 0
        }
        #expect(connects > 0 && refused > 0)
        process.signal(SIGTERM)
        #expect(try process.wait(within: 10_000) == .exited(0))
    }

    @Test("prints once, as a table for people and as a document for scripts")
    func once() throws {
        let node = try TestNode.current
        let table = try node.swiftlet("top", "--once", "--interval", "0.1", "--backends")
        #expect(table.status == .exited(0) && table.output.hasPrefix("SERVICE "), "\(table)")
        #expect(table.output.contains("default/web") && table.output.contains(":8080"))
        let report: Report = try Programs.decode(
            from: [Programs.swiftlet, "top", "--once", "--interval", "0.1", "-o", "json", "--bpf-root", node.bpfRoot])
        #expect(report.services.map(\.name).sorted() == ["empty", "web"])
        #expect(try node.swiftlet("top", "--interval", "0").status == .exited(2))
    }
}
