import Synchronization
import Testing

@testable import KubernetesAPI

@Suite("an outage of the API server in the log")
struct OutageLogTests {
    private let lines = LogLines()
    private let clock = Clock()

    private final class Clock: Sendable {
        private let time = Mutex(Duration.zero)
        var now: Duration { time.withLock { $0 } }
        func pass(_ duration: Duration) { time.withLock { $0 += duration } }
    }

    private func outages() -> OutageLog { OutageLog(now: { [clock] in clock.now }, log: lines.log) }

    @Test("is one warning, a reminder a minute and a line with its length, whatever is followed and tried")
    func outage() {
        let outages = outages()
        for _ in 0..<150 {
            for resource in ["services", "endpointslices", "nodes"] {
                outages.lose(resource, reason: "refused", isMomentary: false)
            }
            clock.pass(.seconds(1))
        }
        for resource in ["services", "endpointslices", "nodes"] { outages.regain(resource) }
        outages.regain("nodes")
        #expect(
            lines.all == [
                "warning cannot follow the API server; Services stay as they are reason=refused resource=services",
                "warning still cannot follow the API server for=60s reason=refused resource=services",
                "warning still cannot follow the API server for=120s reason=refused resource=services",
                "notice following the API server again outage=150s",
            ])
    }

    @Test("is none when a connection ends and the next one stands")
    func momentary() {
        let outages = outages()
        outages.lose("services", reason: "it ended", isMomentary: true)
        #expect(outages.isLost("services"))
        outages.regain("services")
        #expect(!outages.isLost("services") && lines.all.isEmpty)
    }

    @Test("counts from the connection that ended, and each has a warning of its own")
    func twice() {
        let outages = outages()
        for _ in 0..<2 {
            outages.lose("services", reason: "it ended", isMomentary: true)
            clock.pass(.milliseconds(2_500))
            outages.lose("services", reason: "refused", isMomentary: false)
            clock.pass(.seconds(1))
            outages.regain("services")
        }
        #expect(lines.all.count == 4)
        #expect(lines.all.filter { $0 == "notice following the API server again outage=3.5s" }.count == 2)
    }
}
