import Foundation
import NetworkLab
import Observability
import TestKit
import Testing

@testable import SwiftletDaemon

/// What operators build upon: the names, and that Prometheus' own tool is content.
@Suite struct MetricsInterfaceTests {
    private static let root = URL(fileURLWithPath: #filePath).appending(path: "../../..").standardized.path

    private struct Described: Hashable, Comparable, CustomStringConvertible {
        var name: String
        var kind: String
        var labels: Set<String>

        var description: String { "\(name) \(kind) \(labels.sorted())" }

        static func < (left: Described, right: Described) -> Bool { left.name < right.name }
    }

    private static func emitted() throws -> [Described] {
        DaemonMetrics.families(of: try Snapshots.full(), perBackend: true).map { family in
            Described(
                name: family.name, kind: family.kind.rawValue,
                labels: Set(family.samples.flatMap { $0.labels.map(\.name) }))
        }
    }

    /// The rows of docs/metrics.md: `| name | type | labels | meaning |`.
    private static func documented() throws -> [Described] {
        let page = try String(contentsOfFile: "\(root)/docs/metrics.md", encoding: .utf8)
        return page.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 4, ["counter", "gauge", "histogram"].contains(cells[1]) else { return nil }
            let labels = cells[2].split(separator: ",").map {
                $0.trimmingCharacters(in: CharacterSet(charactersIn: " `"))
            }
            return Described(
                name: cells[0].trimmingCharacters(in: CharacterSet(charactersIn: "`")), kind: cells[1],
                labels: Set(labels))
        }
    }

    @Test("every metric is documented with its type and labels, and nothing else is")
    func documentation() throws {
        let (emitted, documented) = (try Self.emitted(), try Self.documented())
        #expect(Set(emitted).subtracting(documented).sorted() == [], "emitted, and not in docs/metrics.md")
        #expect(Set(documented).subtracting(emitted).sorted() == [], "in docs/metrics.md, and not emitted")
        #expect(Set(documented.map(\.name)).count == documented.count)
    }

    @Test("every family has samples in the full snapshot, with one set of labels each")
    func fullSnapshot() throws {
        for family in DaemonMetrics.families(of: try Snapshots.full(), perBackend: true) {
            #expect(!family.samples.isEmpty, "\(family.name)")
            #expect(Set(family.samples.map { $0.labels.map(\.name) }).count == 1, "\(family.name)")
            #expect(Set(family.samples.map(\.labels)).count == family.samples.count, "\(family.name)")
            #expect(!family.help.isEmpty)
        }
    }

    /// In PATH, or where scripts/tool.sh leaves it.
    private static let promtool: String? = {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (path + ["\(root)/build/tools"]).map { "\($0)/promtool" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }()

    @Test(
        "promtool finds nothing to say but what kube-proxy named so",
        .enabled(if: Kernel.isRequired || promtool != nil, "needs promtool; run scripts/tool.sh promtool prometheus"))
    func promtoolCheck() throws {
        let promtool = try #require(Self.promtool, "promtool is missing; run scripts/tool.sh promtool prometheus")
        var child = try ChildProcess([promtool, "check", "metrics"], input: .pipe, output: .pipe, errors: .merged)
        try child.write(PrometheusText.text(of: DaemonMetrics.families(of: try Snapshots.full(), perBackend: true)))
        child.closeInput()
        let said = try child.readToEnd().split(separator: "\n").map(String.init)
        try child.wait()
        #expect(
            said == [
                #"kubeproxy_sync_proxy_rules_no_local_endpoints_total non-counter metrics should not have "_total" suffix"#
            ])
    }
}
