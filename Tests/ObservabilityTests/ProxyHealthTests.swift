import Foundation
import Testing

@testable import Observability

@Suite struct ProxyHealthTests {
    private static let start = ContinuousClock.now

    /// So many seconds after the start of everything, which was at 2026-01-02T03:04:05Z.
    private func moment(_ seconds: Double) -> Moment {
        Moment(
            date: Date(timeIntervalSince1970: 1_767_323_045 + seconds),
            instant: Self.start.advanced(by: .seconds(seconds)))
    }

    @Test("it is healthy while it starts, and shows that nothing was updated")
    func starting() {
        let answer = ProxyHealth().healthz(at: moment(0))
        #expect(answer.status == 200)
        #expect(
            answer.body == """
                {"lastUpdated":"2026-01-02T03:04:05.000Z","currentTime":"2026-01-02T03:04:05.000Z",\
                "nodeEligible":true,"healthy":true}
                """)
    }

    @Test("an update may wait for twice the sync period", arguments: [(59.9, true), (60, false), (600, false)])
    func late(seconds: Double, isHealthy: Bool) {
        var health = ProxyHealth()
        health.update(.ipv4, at: moment(0))
        health.queue(.ipv4, at: moment(10))
        // It is the oldest one that counts.
        health.queue(.ipv4, at: moment(20))
        #expect(health.isHealthy(at: moment(10 + seconds)) == isHealthy)
        #expect(health.livez(at: moment(10 + seconds)).status == (isHealthy ? 200 : 503))
        health.update(.ipv4, at: moment(10 + seconds))
        #expect(health.isHealthy(at: moment(1_000)))
    }

    @Test("one family that is late makes the proxy unhealthy, and the body says which")
    func oneFamily() {
        var health = ProxyHealth(syncPeriod: .seconds(30))
        health.update(.ipv4, at: moment(0))
        health.update(.ipv6, at: moment(1))
        health.queue(.ipv6, at: moment(2))
        let answer = health.livez(at: moment(62))
        #expect(answer.status == 503)
        #expect(
            answer.body == """
                {"lastUpdated":"2026-01-02T03:04:06.000Z","currentTime":"2026-01-02T03:05:07.000Z","healthy":false,\
                "status":{"IPv4":{"lastUpdated":"2026-01-02T03:04:05.000Z","healthy":true},\
                "IPv6":{"lastUpdated":"2026-01-02T03:04:06.000Z","healthy":false}}}
                """)
    }

    @Test("a first update that is never programmed makes it unhealthy, too")
    func firstUpdate() {
        var health = ProxyHealth()
        health.queue(.ipv4, at: moment(0))
        let answer = health.healthz(at: moment(60))
        #expect(answer.status == 503)
        #expect(answer.body.contains(#""status":{"IPv4":{"lastUpdated":"0001-01-01T00:00:00Z","healthy":false}}"#))
    }

    @Test("is ready with the first complete list, and not while changes wait for too long")
    func ready() {
        var health = ProxyHealth()
        #expect(health.readyz(at: moment(0)).status == 503)
        #expect(health.readyz(at: moment(0)).body.contains(#""healthy":true,"ready":false"#))
        #expect(health.livez(at: moment(0)).status == 200 && health.healthz(at: moment(0)).status == 200)
        health.isReady = true
        health.queue(.ipv4, at: moment(0))
        #expect(health.readyz(at: moment(1)).status == 200)
        #expect(health.readyz(at: moment(1)).body.contains(#""ready":true"#))
        #expect(health.readyz(at: moment(60)).status == 503)
    }

    @Test("a date that is set back changes nothing")
    func dates() {
        var health = ProxyHealth()
        health.queue(.ipv4, at: moment(0))
        let later = Moment(date: moment(-3_600).date, instant: moment(60).instant)
        #expect(!health.isHealthy(at: later))
    }

    @Test(
        "a node that is going away gets no new traffic",
        arguments: [
            (NodeCondition.unknown, true), (.present(isBeingDeleted: false, taints: ["other"]), true), (.gone, false),
            (.present(isBeingDeleted: true, taints: []), false),
            (.present(isBeingDeleted: false, taints: ["ToBeDeletedByClusterAutoscaler"]), false),
        ])
    func node(condition: NodeCondition, isEligible: Bool) {
        var health = ProxyHealth()
        health.node = condition
        let answer = health.healthz(at: moment(0))
        #expect(answer.status == (isEligible ? 200 : 503))
        #expect(answer.body.contains(#""nodeEligible":\#(isEligible),"healthy":true"#))
        #expect(health.livez(at: moment(0)).status == 200)
        #expect(!health.livez(at: moment(0)).body.contains("nodeEligible"))
    }
}
