import Foundation
import SwiftletDaemon
import Testing

@testable import swiftlet

@Suite("top: what a screen shows")
struct TopViewTests {
    private let report: TopReport

    init() throws {
        let json = """
            {"schema": 1, "seconds": 1, "services": [
             {"namespace": "default", "name": "api", "connects": 5, "refused": 2.5, "open": 7, "backends": 2,
              "refusedByReason": {"no_endpoints": 2.5}, "imbalance": 1.5, "imbalanceOf": "connects",
              "endpoints": [{"address": "10.244.0.11:8080", "servicePort": "http", "isActive": true, "connects": 5, "open": 7},
                            {"address": "10.244.0.12:8080", "servicePort": "http", "isActive": false, "open": 0}]},
             {"namespace": "default", "name": "dns", "connects": 120.5, "refused": 0, "open": 0, "backends": 1,
              "refusedByReason": {}, "endpoints": []},
             {"namespace": "default", "name": "web", "connects": 5, "refused": 0, "open": 9, "backends": 3,
              "refusedByReason": {}, "imbalance": 1.04, "imbalanceOf": "open", "endpoints": []}]}
            """
        report = try ReportCoding.decoder().decode(TopReport.self, from: .init(json.utf8))
    }

    @Test(
        "a key sorts, and what is alike goes by name",
        arguments: [
            ("c", ["dns", "api", "web"]), ("r", ["api", "dns", "web"]), ("o", ["web", "api", "dns"]),
            ("i", ["api", "web", "dns"]), ("n", ["api", "dns", "web"]),
        ] as [(Character, [String])])
    func sorts(key: Character, names: [String]) {
        var view = TopView()
        let goesOn = view.press(key)
        #expect(goesOn)
        #expect(view.sorted(report).services.map(\.name) == names)
    }

    @Test("the table has a row for each Service, and with b one for each backend")
    func table() {
        var view = TopView()
        #expect(
            view.text(of: report) == """
                SERVICE       CONN/S   REFUSED/S   OPEN   BACKENDS   IMBALANCE   REFUSED FOR
                default/dns    120.5         0.0      0          1           -
                default/api      5.0         2.5      7          2        1.50   no_endpoints 2.5
                default/web      5.0         0.0      9          3        1.04
                """)
        _ = view.press("b")
        let lines = view.text(of: report).split(separator: "\n")
        #expect(lines.count == 6)
        #expect(lines[3].hasPrefix("  10.244.0.11:8080 http                    5.0"))
        #expect(lines[4].hasPrefix("  10.244.0.12:8080 http (terminating)        -"))
    }

    @Test("nothing is wider or longer than the screen, and what is left out is said")
    func fits() {
        let view = TopView(order: .open, showsBackends: true)
        let lines = view.text(of: report, size: (30, 6)).split(separator: "\n")
        #expect(lines.count == 3 && lines.allSatisfy { $0.count <= 30 })
        #expect(lines.last == "… 4 more lines")
        #expect(view.heading(of: report, size: (30, 6)).count == 30)
    }

    @Test("q ends")
    func ends() {
        var view = TopView()
        let goesOn = view.press("q")
        #expect(!goesOn)
    }
}
