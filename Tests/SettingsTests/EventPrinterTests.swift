import Foundation
import SwiftletDaemon
import Testing

@testable import swiftlet

@Suite("monitor: what is printed")
struct EventPrinterTests {
    private func records(_ count: Int) throws -> [EventRecord] {
        let json = """
            {"time": "2026-11-28T07:12:41.53Z", "kind": "connect", "protocol": "TCP", "vip": "10.96.0.15:80",
             "service": "default/web", "refused": false, "reason": "forward", "text": "forwarded"}
            """
        return Array(repeating: try JSONDecoder().decode(EventRecord.self, from: Data(json.utf8)), count: count)
    }

    @Test("so many lines a second and no more; what was left out is told a second later, with what the kernel lost")
    func rate() throws {
        var printer = EventPrinter(format: .text, rate: 3)
        var now = Duration.seconds(100)
        #expect(try printer.lines(of: records(2), lost: 0, at: now).count == 2)
        now += .milliseconds(20)
        #expect(try printer.lines(of: records(5), lost: 7, at: now).count == 1)
        now += .milliseconds(960)
        #expect(try printer.lines(of: [], lost: 0, at: now) == [])
        now += .milliseconds(20)
        let next = try printer.lines(of: records(4), lost: 0, at: now)
        #expect(next.count == 4 && next.first == "dropped 11 events")
        #expect(printer.rest() == ["dropped 1 event"], "at the end")
        #expect(printer.rest() == [])
    }

    @Test("all of them where the rate is 0, and a document a line in JSON")
    func json() throws {
        var printer = EventPrinter(format: .json, rate: 0)
        let lines = try printer.lines(of: records(2_000), lost: 120, at: .zero)
        #expect(lines.count == 2_000)
        let first = try JSONDecoder().decode(EventRecord.self, from: Data(lines[0].utf8))
        #expect(try first == records(1)[0] && !lines[0].contains("\n") && !lines[0].contains(#"\/"#))
        #expect(printer.rest() == [#"{"dropped":120}"#])
    }

    @Test("names of Services and pods may leave the namespace default out", arguments: ["a/b/c", "/", "a/", ""])
    func names(wrong: String) throws {
        #expect(try "\(objectName("web", "--service"))" == "default/web")
        #expect(try "\(objectName("shop/web", "--service"))" == "shop/web")
        #expect(throws: (any Error).self) { try objectName(wrong, "--service") }
    }
}
