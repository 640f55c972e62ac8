import Foundation
import NetworkLab
import Testing

/// `bench connect` makes its own namespaces and maps: it needs no node, and must leave none.
@Suite("bench", .tags(.endToEnd), .endToEnd, .node(pods: 1, manifests: ["web.yaml": ServedManifests.web]))
struct BenchTests {
    struct Report: Decodable {
        struct Percentiles: Decodable {
            var p50: Double
            var p90: Double
            var p99: Double
            var p999: Double
        }

        var direct: Percentiles
        var vip: Percentiles
        var ratio: Percentiles
    }

    @Test("one word measures direct and VIP side by side, and leaves nothing behind")
    func measures() throws {
        let bench = try RunningProcess([Programs.swiftlet, "bench", "connect", "--connects", "1600", "-o", "json"])
        let text = try bench.readToEnd()
        #expect(try bench.wait() == .exited(0))
        let report = try JSONDecoder().decode(Report.self, from: Data(text.utf8))
        for kind in [report.direct, report.vip] {
            #expect(kind.p50 > 0)
            #expect(kind.p50 <= kind.p90 && kind.p90 <= kind.p99 && kind.p99 <= kind.p999)
        }
        // A debug build on a busy machine proves no speed, but a wrong unit would show.
        #expect((0.2...5).contains(report.ratio.p50))
        let mark = "swl-\(bench.pid)-"
        for directory in ["/run/netns", "/sys/fs/bpf", try Cgroup.root()] {
            let left = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.contains(mark) }
            #expect(left == [])
        }
    }

    @Test("Ctrl-C ends it with a line of its own, where progress was shown")
    func interrupted() throws {
        let bench = "timeout --foreground -s INT 3 \(Programs.swiftlet) bench connect --connects 100000000; true"
        let output = try Command.run(["script", "-qec", bench, "/dev/null"])
        #expect(
            output.contains("connecting ") && output.contains("\u{1b}[Kswiftlet: interrupted"), "\(output.suffix(200))")
    }

    @Test("--target measures a Service that works on this node")
    func measuresTarget() throws {
        let node = try TestNode.current
        let arguments = [
            "bench", "connect", "--connects", "800", "-o", "json", "--target", "10.96.0.15:80", "--backend",
            "10.244.0.11:8080",
        ]
        // web has two more pods, which are not there: a direct connect and the VIP must lead to one.
        try node.write(
            Manifest.slice("web", [Manifest.pods4[0]], ports: ["{name: http, port: 8080, protocol: TCP}"])
                + "\n---\n" + Manifest.service("web", ["10.96.0.15"], ports: ["{name: http, port: 80}"]), to: "web.yaml"
        )
        #expect(try eventually { try node.call("10.96.0.15:80", "--count", "10").results == ["ok"] })
        let report: Report = try Programs.decode(
            from: [Programs.swiftlet] + arguments, in: node.namespace(of: .node), cgroup: node.cgroup.path)
        #expect(report.vip.p50 > 0)
    }
}
