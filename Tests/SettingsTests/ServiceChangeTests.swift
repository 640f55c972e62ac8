import Foundation
import SwiftletDaemon
import Testing

@testable import swiftlet

@Suite("services --watch: what is a change")
struct ServiceChangeTests {
    private func item(_ name: String, backends: [String], forwarded: Int = 0) throws -> ServiceListing.Item {
        let backends = backends.map {
            #"{"address": "\#($0)", "port": 80, "state": "active", "local": true, "zone": "", "forwarded": \#(forwarded)}"#
        }
        let json = """
            {"namespace": "default", "name": "\(name)", "type": "ClusterIP", "problems": [],
             "ports": [{"name": "", "protocol": "TCP", "family": 4, "affinitySeconds": 0, "sourceRanges": [],
              "connections": {"forwarded": \(forwarded), "refused": 0, "refusedByReason": {}}, "frontends": [],
              "backends": [\(backends.joined(separator: ","))]}]}
            """
        return try ReportCoding.decoder().decode(ServiceListing.Item.self, from: Data(json.utf8))
    }

    @Test("what comes, goes and differs; not what is counted")
    func changes() throws {
        let old = [
            try item("a", backends: ["10.0.0.1"]), try item("b", backends: ["10.0.0.2"]), try item("d", backends: []),
        ]
        let new = [
            try item("a", backends: ["10.0.0.1"], forwarded: 7), try item("b", backends: ["10.0.0.3"]),
            try item("c", backends: []),
        ]
        let changes = ServiceChange.between(old, new).map { "\($0.type.rawValue) \($0.object.title)" }
        #expect(changes == ["MODIFIED default/b", "ADDED default/c", "DELETED default/d"])
        #expect(ServiceChange.between(new, new).isEmpty)
    }
}

@Suite("flows, sockets, affinity: what is shown")
struct MemoryFilterTests {
    private let port = MapMemory.ServicePort(namespace: "prod", service: "web", port: "http")
    private let ends: [(String, Int?)] = [("198.51.100.7", 40_000), ("10.96.0.15", 80), ("fd00::11", nil)]

    @Test(
        "by Service, and by an address at either end",
        arguments: [
            ([], nil, true), ([], "prod", true), ([], "default", false), (["web"], nil, true),
            (["prod/web:http"], nil, true),
            (["web:80"], nil, true), (["web:81"], nil, false), (["default/web"], nil, false),
            (["web"], "default", false),
            (["10.96.0.15"], nil, true), (["10.96.0.15:80"], nil, true), (["10.96.0.15:81"], nil, false),
            (["[fd00::11]:8080"], nil, true), (["192.0.2.1"], nil, false), (["192.0.2.1", "web"], nil, true),
        ] as [([String], String?, Bool)])
    func admits(words: [String], namespace: String?, expected: Bool) throws {
        #expect(try MemoryFilter(words: words, namespace: namespace).admits(port, ends: ends) == expected)
    }

    @Test("spans", arguments: [(0, "0s"), (119, "119s"), (120, "2m"), (7_200, "2h"), (172_800, "2d")])
    func spans(seconds: Int, text: String) { #expect(spanText(seconds) == text) }
}
