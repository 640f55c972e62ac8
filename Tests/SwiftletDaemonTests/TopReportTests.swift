import ServiceMaps
import ServiceModel
import SwiftletDaemon
import Testing

/// Rates between two looks at the counters.
@Suite("top: rates between two looks")
struct TopReportTests {
    private let web = ServicePortName(
        service: ObjectName(namespace: "default", name: "web"), port: "http", proto: .tcp, family: .v4)
    private let dns = ServicePortName(
        service: ObjectName(namespace: "kube-system", name: "dns"), port: "", proto: .udp, family: .v4)

    /// Two service ports; the first has two backends that get connections and one that ends.
    private func activity(
        web forwarded: UInt64, refused: UInt64 = 0, dns questions: UInt64 = 0, backends: [UInt64?] = [nil, nil]
    ) throws -> ServiceActivity {
        var activity = ServiceActivity()
        activity.names = [ServiceID(1): web, ServiceID(2): dns]
        activity.counters[ServiceID(1)] = ServiceCounter(forwarded: forwarded, refusals: [.noEndpoints: refused])
        activity.counters[ServiceID(2)] = ServiceCounter(forwarded: questions)
        let port = try #require(Port(8080))
        for (index, count) in (backends + [0]).enumerated() {
            let address = IPAddress(v4: 0x0af4_000b + UInt32(index))
            activity.backends[BackendID(UInt32(index) + 1)] = .init(
                service: ServiceID(1), address: address, port: port, isActive: index < backends.count, forwarded: count)
        }
        return activity
    }

    @Test("connects and refusals are a second's, and their reasons are told")
    func rates() throws {
        let report = TopReport(
            from: try activity(web: 100, refused: 4), to: try activity(web: 150, refused: 9, dns: 3),
            over: .seconds(2), open: OpenConnections())
        #expect(report.services.map(\.name) == ["web", "dns"])
        #expect(report.services[0].connects == 25 && report.services[0].refused == 2.5)
        #expect(report.services[0].refusedByReason == ["no_endpoints": 2.5])
        #expect(report.services[1].connects == 1.5 && report.services[1].refusedByReason.isEmpty)
        #expect(report.services[0].backends == 2 && report.services[0].endpoints.count == 3)
        #expect(report.seconds == 2)
    }

    @Test("a counter that was made zero, and an id with another name, count from zero")
    func zeroed() throws {
        var before = try activity(web: 100, dns: 50)
        before.names[ServiceID(2)] = web
        let report = TopReport(
            from: before, to: try activity(web: 30, dns: 60), over: .seconds(1), open: OpenConnections())
        #expect(report.services.map(\.connects) == [30, 60])
    }

    @Test("imbalance is the busiest backend by the mean: of connects where backends are counted")
    func imbalance() throws {
        let report = TopReport(
            from: try activity(web: 0, backends: [0, 0]), to: try activity(web: 40, backends: [30, 10]),
            over: .seconds(1), open: OpenConnections())
        #expect(report.services[0].imbalance == 1.5 && report.services[0].imbalanceOf == "connects")
        #expect(report.services[0].endpoints.map(\.connects) == [30, 10, 0])
        #expect(report.services[1].imbalance == nil)
    }

    @Test("imbalance is of open connections where backends are not counted")
    func imbalanceOfOpen() throws {
        var open = OpenConnections()
        open.sockets = [BackendID(1): 2, BackendID(2): 1]
        open.flows = [BackendID(1): 1, BackendID(3): 7]
        let report = TopReport(
            from: try activity(web: 0), to: try activity(web: 0), over: .seconds(1), open: open)
        #expect(report.services[0].open == 11)
        #expect(report.services[0].imbalance == 1.5 && report.services[0].imbalanceOf == "open")
        #expect(report.services[0].endpoints.map(\.open) == [3, 1, 7])
    }
}
