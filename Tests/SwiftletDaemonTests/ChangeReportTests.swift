import Foundation
import KubernetesObjects
import ManifestDirectory
import ServiceMaps
import ServiceModel
import SwiftletDaemon
import Testing

@Suite("diff: what new objects would change")
struct ChangeReportTests {
    private static let base = """
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec: {clusterIP: 10.96.0.15, ports: [{name: http, port: 80}]}
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
        addressType: IPv4
        ports: [{name: http, port: 8080}]
        endpoints: [{addresses: [10.244.0.11]}, {addresses: [10.244.0.12]}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: old}
        spec: {clusterIP: 10.96.0.16, ports: [{port: 80}]}

        """

    private func report(_ new: String, isWhole: Bool = true) throws -> ChangeReport {
        let node = NodeConfiguration(name: "node")
        var draft = try MapDraft(events: ManifestLoader.load(text: Self.base).events, node: node, addresses: [])
        let (events, problems) = ManifestLoader.load(text: new)
        return try draft.report(of: events, problems: problems.filter(\.isRefusal), isWhole: isWhole)
    }

    @Test("the same objects change nothing, and write nothing")
    func same() throws {
        let report = try report(Self.base)
        #expect(report.isEmpty, "\(report)")
        #expect(report.text == "nothing would change")
    }

    @Test("an endpoint that goes, one that comes, and what is written for it")
    func endpoints() throws {
        let report = try report(Self.base.replacing("10.244.0.12", with: "10.244.0.13"))
        #expect(report.frontends.isEmpty)
        #expect(
            report.text.hasPrefix(
                """
                - endpoint 10.244.0.12:8080/TCP  default/web:http  used
                + endpoint 10.244.0.13:8080/TCP  default/web:http  used
                map writes: backends4 +
                """), "\(report.text)")
        #expect(report.writes["backends4"]?.deleted == 1 && report.writes["services4"]?.written == 1)
        #expect(report.writes["backends6"] == nil)
    }

    @Test("of flows those are touched that are open")
    func flows() throws {
        let flows = try ["new", "established", "closing", "reset"].map { state in
            let text = """
                {"protocol": "TCP", "client": "192.0.2.9", "clientPort": 40000, "vip": "192.0.2.1", "vipPort": 30080,
                 "backend": "10.244.0.12", "backendPort": 8080, "state": "\(state)", "path": "forwarded",
                 "servicePort": {"namespace": "default", "service": "web", "port": "http"}, "idleSeconds": 1,
                 "expiresInSeconds": 9}
                """
            return try JSONDecoder().decode(RememberedFlow.self, from: Data(text.utf8))
        }
        var report = try report(Self.base.replacing("10.244.0.12", with: "10.244.0.13"))
        report.note(sockets: [], flows: flows)
        #expect(report.endpoints.map(\.flows) == [2, 0])
    }

    @Test("frontends that come, go and become others")
    func frontends() throws {
        let new = Self.base.replacing("10.96.0.16", with: "10.96.0.17")
            .replacing("clusterIP: 10.96.0.15,", with: "clusterIP: 10.96.0.15, sessionAffinity: ClientIP,")
        let lines = try report(new).text.split(separator: "\n").map(String.init)
        #expect(
            Array(lines.prefix(3)) == [
                "- frontend 10.96.0.16:80/TCP  default/old  ClusterIP, Cluster, reject",
                "+ frontend 10.96.0.17:80/TCP  default/old  ClusterIP, Cluster, reject",
                "~ frontend 10.96.0.15:80/TCP  default/web:http  ClusterIP, Cluster → ClusterIP, Cluster, affinity 10800s",
            ], "\(lines)")
    }

    @Test("a Service that is not defined any more goes, unless the objects are only a part")
    func parts() throws {
        let part = String(Self.base.prefix(upTo: try #require(Self.base.ranges(of: "---\n").last).lowerBound))
        #expect(try report(part).frontends.map(\.change) == [.removed])
        #expect(try report(part, isWhole: false).isEmpty)
    }

    @Test("what is refused stays as it is, and is told")
    func refused() throws {
        let report = try report(Self.base.replacing("{port: 80}", with: "{port: 70000}"))
        #expect(report.frontends.isEmpty, "\(report)")
        #expect(report.problems.contains { $0.contains("Service default/old") }, "\(report.problems)")
    }
}
