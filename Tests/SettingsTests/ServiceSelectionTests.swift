import ArgumentParser
import Foundation
import Reporting
import ServiceMaps
import ServiceModel
import SwiftletDaemon
import Testing

@testable import swiftlet

@Suite("services: what people type")
struct ServiceSelectionTests {
    private let listing: ServiceListing

    init() throws {
        let port = { (address: String, number: Int, reason: String) in
            """
            {"name": "http", "protocol": "TCP", "family": 4, "affinitySeconds": 0, \(reason)
             "connections": {"forwarded": 0, "refused": 0, "refusedByReason": {}}, "sourceRanges": [], "backends": [],
             "frontends": [{"address": "\(address)", "port": \(number), "protocol": "TCP", "kind": "ClusterIP",
              "action": "balance", "policy": "Cluster", "scope": "fromNode", "restricted": false}]}
            """
        }
        let item = { (namespace: String, name: String, ports: String) in
            """
            {"namespace": "\(namespace)", "name": "\(name)", "type": "ClusterIP", "ports": [\(ports)], "problems": []}
            """
        }
        let services = [
            item("default", "works", port("10.96.0.1", 80, "")),
            item("prod", "empty", port("10.96.0.2", 80, #""reason": "no endpoints","#)),
            item("prod", "works", port("fd00::3", 443, "")), item("default", "headless", ""),
        ]
        listing = try ReportCoding.decoder().decode(
            ServiceListing.self, from: Data(#"{"schema": 1, "services": [\#(services.joined(separator: ","))]}"#.utf8))
    }

    private func names(_ words: [String], namespace: String? = nil, broken: Bool = false) throws -> [String] {
        try ServiceSelection(words: words, namespace: namespace, broken: broken).apply(to: listing).services
            .map { "\($0.namespace)/\($0.name)" }
    }

    @Test(
        "by name, namespace, port and address",
        arguments: [
            ("works", ["default/works", "prod/works"]), ("prod/works", ["prod/works"]),
            ("default/works:http", ["default/works"]), ("works:443", ["prod/works"]), ("10.96.0.2", ["prod/empty"]),
            ("10.96.0.2:80", ["prod/empty"]), ("[fd00::3]:443", ["prod/works"]), ("fd00::3", ["prod/works"]),
            ("10.96.0.2:http", ["prod/empty"]), ("http://10.96.0.2:80/", ["prod/empty"]),
            ("headless", ["default/headless"]), ("10.96.0.2:80/TCP", ["prod/empty"]),
            ("default/works:http/tcp", ["default/works"]), ("[fd00::3]:443/TCP", ["prod/works"]),
        ])
    func words(word: String, expected: [String]) throws { #expect(try names([word]) == expected) }

    @Test("what cannot be asked is wrong usage", arguments: ["10.96.0.2:", "10.96.0.2:65536", "fe80::1%eth0"])
    func complaints(word: String) { #expect(throws: ValidationError.self) { try names([word]) } }

    @Test("a list is cut between two frontends, and the first is whole")
    func narrow() {
        var table = Table("SERVICE", "TYPE", "FRONTENDS")
        table.lists = [2]
        table.add("default/web", "NodePort", "10.96.0.1:80/TCP,127.0.0.1:30080/TCP,192.0.2.1:30080/TCP")
        let shown = [80, 66, 40].map { table.text(fitting: $0).split(separator: "\n")[1].split(separator: " ").last }
        #expect(
            shown == [
                "10.96.0.1:80/TCP,127.0.0.1:30080/TCP,…", "10.96.0.1:80/TCP,127.0.0.1:30080/TCP,…",
                "10.96.0.1:80/TCP,…",
            ])
    }

    @Test("a namespace, and what is broken")
    func lists() throws {
        #expect(try names([]).count == 4)
        #expect(try names([], namespace: "prod") == ["prod/empty", "prod/works"])
        #expect(try names([], broken: true) == ["prod/empty"])
    }

    @Test(
        "a miss names what is near",
        arguments: [
            ("wrks", "no Service wrks; did you mean works? (`swiftlet services` lists all)"),
            ("test/empty", "no Service test/empty; there is prod/empty (`swiftlet services` lists all)"),
            (
                "10.96.0.2:99",
                "no Service is at 10.96.0.2:99; 10.96.0.2 is an address of prod/empty (`swiftlet services` lists all)"
            ),
            (
                "10.96.0.2:80/UDP",
                "no Service is at 10.96.0.2:80/UDP; 10.96.0.2 is an address of prod/empty "
                    + "(`swiftlet services` lists all)"
            ),
            ("10.96.0.9", "no Service is at 10.96.0.9 (`swiftlet services` lists all)"),
        ])
    func misses(word: String, message: String) {
        let error = #expect(throws: CommandError.self) { try names([word]) }
        #expect(error?.description == message)
    }

    @Test("a Service with a problem that is no port's is shown with what it serves")
    func brokenAndServed() throws {
        var kept = listing
        kept.services[0].problems = ["kept from before: web.yaml cannot be parsed"]
        let shown = try ServiceSelection(broken: true).apply(to: kept).services
        #expect(shown.map(\.name) == ["works", "empty"])
        #expect(shown.first?.ports.count == 1)
    }

    @Test("a namespace without Services, and one that is misspelt, are told")
    func emptyNamespace() {
        func word(_ namespace: String) -> String? {
            ServiceSelection(namespace: namespace).emptyNamespace(in: listing)
        }
        #expect(word("prod") == nil)
        #expect(word("prud") == "no Service in namespace prud; did you mean prod?")
        #expect(word("elsewhere") == "no Service in namespace elsewhere")
    }

    @Test("what is remembered of a Service that is not there is told as such")
    func missing() throws {
        let known = [ObjectName(namespace: "prod", name: "web")]
        func word(_ words: String..., namespace: String? = nil) throws -> String? {
            try MemoryFilter(words: words, namespace: namespace).missing(among: known)
        }
        #expect(try word("web") == nil)
        #expect(try word("10.96.0.1") == nil)
        #expect(try word("wbe") == "no Service wbe is in the maps; did you mean web?")
        #expect(try word("default/web") == "no Service default/web is in the maps; there is prod/web")
        #expect(try word(namespace: "prud") == "no Service in namespace prud; did you mean prod?")
    }

    @Test("what Cilium's users type")
    func aliases() {
        #expect(Aliases.rewritten(["service", "list", "-o", "json"]) == ["services", "-o", "json"])
        #expect(Aliases.rewritten(["bpf", "lb", "list"]) == ["services"])
        #expect(Aliases.rewritten(["map", "list"]) == ["maps"])
        #expect(Aliases.rewritten(["bpf", "ct", "list", "global"]) == ["flows"])
        #expect(Aliases.rewritten(["services", "map"]) == ["services", "map"])
    }

    @Test("a reason names the documentation: in the JSON, in full and in the wide table")
    func docs() throws {
        let report = """
            [{"namespace": "prod", "name": "empty", "type": "ClusterIP", "externalPolicy": "Cluster", "internalPolicy": "Cluster",
              "ports": [{"name": "", "protocol": "TCP", "family": 4, "reason": "endpoints not ready", "reasonCode": "notReady"}],
              "problems": []},
             {"namespace": "prod", "name": "none", "type": "ClusterIP", "externalPolicy": "Cluster", "internalPolicy": "Cluster",
              "leftAlone": "headless", "leftAloneCode": "headless", "ports": [], "problems": []}]
            """
        let reports = try ReportCoding.decoder().decode([ServiceReport].self, from: Data(report.utf8))
        let services = ServiceListing(programmed: ProgrammedState(), reports: reports).services
        #expect(services[0].ports[0].docs == "docs/troubleshoot.md#notReady")
        #expect(services[0].description.contains("endpoints not ready; see docs/troubleshoot.md#notReady"))
        #expect(services[1].description.contains("not programmed: headless; see docs/troubleshoot.md#headless"))
        let wide = ServiceTable(services, isWide: true).table.text
        #expect(wide.contains("endpoints not ready; see docs/troubleshoot.md#notReady"))
        #expect(!ServiceTable(services, isWide: false).table.text.contains("docs/"))
    }

    @Test("every key of the JSON is documented")
    func keys() throws {
        let backend = #"{"address": "10.244.0.11", "port": 8080, "state": "active", "local": true, "zone": ""}"#
        var service = listing.services[0]
        service.ports[0].backends = [
            try ReportCoding.decoder().decode(ServiceListing.Backend.self, from: Data(backend.utf8))
        ]
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/reference.md"), encoding: .utf8)
        let section = try #require(page.split(separator: "\n## ").first { $0.hasPrefix("The JSON of services\n") })
        let port = service.ports[0]
        let parts: [Any] = [listing, service, port, port.connections, port.frontends[0], port.backends[0]]
        for key in parts.flatMap({ Mirror(reflecting: $0).children.compactMap(\.label) }) {
            #expect(section.contains(try Regex("[`.]\(key)[`\\[]")), "\(key)")
        }
    }

    @Test("what is about an address of one family stands beside that family's ports")
    func addressProblems() throws {
        let report = """
            [{"namespace": "prod", "name": "dns", "type": "ClusterIP", "externalPolicy": "Cluster", "internalPolicy": "Cluster",
              "ports": [
                {"name": "", "protocol": "TCP", "family": 4, "addressProblems": ["10.96.0.10 is left"]},
                {"name": "", "protocol": "TCP", "family": 6, "addressProblems": []}],
              "problems": ["10.96.0.10 is left", "all of it waits"]}]
            """
        let reports = try ReportCoding.decoder().decode([ServiceReport].self, from: Data(report.utf8))
        let services = ServiceListing(programmed: ProgrammedState(), reports: reports).services
        #expect(services[0].problems(of: services[0].ports[0]) == ["10.96.0.10 is left", "all of it waits"])
        #expect(services[0].problems(of: services[0].ports[1]) == ["all of it waits"])
        let rows = ServiceTable(services, isWide: false).table.text.split(separator: "\n").dropFirst()
        #expect(rows.map { $0.contains("10.96.0.10 is left") } == [true, false])
    }
}
