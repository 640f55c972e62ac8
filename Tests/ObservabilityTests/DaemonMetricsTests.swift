import Foundation
import NetworkLab
import Observability
import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps
@testable import SwiftletDaemon

@Suite struct DaemonMetricsTests {
    /// The samples of a family as lines, without its name.
    private func lines(_ name: String, in families: [MetricFamily]) -> [String] {
        PrometheusText.text(of: families.filter { $0.name == name }).split(separator: "\n")
            .filter { !$0.hasPrefix("#") }.map { String($0.dropFirst(name.count)) }
    }

    @Test("a service port has its connects, and its refusals by the reasons that have come up")
    func servicePorts() throws {
        let families = DaemonMetrics.families(of: try Snapshots.full())
        let web = #"{namespace="shop",name="web",port="http",protocol="TCP",ip_family="IPv4"}"#
        #expect(lines("swiftlet_service_connects_total", in: families).first == "\(web) 5")
        #expect(
            lines("swiftlet_service_refusals_total", in: families) == [
                #"\#(web.dropLast()),reason="no_endpoints"} 2"#, #"\#(web.dropLast()),reason="other"} 1"#,
            ])
        #expect(lines("swiftlet_service_connects_total", in: families).count == 2)
        #expect(lines("swiftlet_datapath_verdicts_total", in: families).last == #"{reason="refuse_no_backend"} 2"#)
    }

    @Test("backends have series only when asked for")
    func backends() throws {
        let snapshot = try Snapshots.full()
        #expect(lines("swiftlet_backend_connects_total", in: DaemonMetrics.families(of: snapshot)).isEmpty)
        let families = DaemonMetrics.families(of: snapshot, perBackend: true)
        #expect(
            lines("swiftlet_backend_connects_total", in: families) == [
                #"{namespace="shop",name="web",port="http",protocol="TCP",ip_family="IPv6",backend="[fd00::7]:8080"} 5"#
            ])
    }

    @Test("the number of series has a bound, and what is left out is counted", arguments: [(0, 2), (1, 1), (5, 0)])
    func bounded(limit: Int, omitted: Int) throws {
        let snapshot = try Snapshots.full()
        let families = DaemonMetrics.families(of: snapshot, perBackend: true, serviceLimit: limit)
        #expect(lines("swiftlet_service_connects_total", in: families).count == min(limit, 2))
        // Both reasons are the first service port's.
        #expect(lines("swiftlet_service_refusals_total", in: families).count == (limit > 0 ? 2 : 0))
        // Its service port is the second one.
        #expect(lines("swiftlet_backend_connects_total", in: families).count == (limit > 1 ? 1 : 0))
        #expect(lines("swiftlet_service_ports_omitted", in: families) == [" \(omitted)"])
    }

    @Test("who only observes has no numbers of a datapath")
    func observing() throws {
        var snapshot = try Snapshots.full()
        snapshot.kernel = nil
        let names = DaemonMetrics.families(of: snapshot).filter { !$0.samples.isEmpty }.map(\.name)
        #expect(!names.contains { $0.hasPrefix("swiftlet_service_connects") || $0.hasPrefix("swiftlet_map_entries") })
        #expect(names.contains("kubeproxy_sync_proxy_rules_duration_seconds"))
    }

    @Test("gaps are counted by policy and family")
    func gaps() throws {
        let address = try #require(IPAddress("10.96.0.1"))
        let number = try #require(Port(80))
        func port(_ name: String, _ kinds: [(DesiredFrontend.Kind, DesiredFrontend.Action)]) -> DesiredServicePort {
            DesiredServicePort(
                name: Snapshots.port(name),
                frontends: kinds.map {
                    let key = FrontendKey(address: address, port: number, proto: .tcp)
                    return DesiredFrontend(key: key, kind: $0.0, action: $0.1, policy: .local)
                })
        }
        let name = ObjectName(namespace: "shop", name: "web")
        let service = DesiredService(
            name: name,
            ports: [
                port("a", [(.clusterIP, .drop), (.nodePort, .drop), (.loadBalancer, .drop)]),
                port("b", [(.clusterIP, .balance), (.externalIP, .drop)]),
                port("c", [(.clusterIP, .reject), (.nodePort, .reject)]),
            ])
        let gaps = EndpointGaps(DesiredState(services: [name: service]))
        #expect(
            gaps.counts == [
                .init(family: .ipv4, policy: .internal): 1, .init(family: .ipv4, policy: .external): 2,
            ])
    }

    @Test("the numbers of the process are its own")
    func process() throws {
        let own = try #require(ProcessStatistics.own)
        #expect(own.residentBytes > 1 << 20 && own.openDescriptors > 2)
        let age = Date().timeIntervalSince1970 - own.startSeconds
        #expect(age > 0 && age < 86_400 && own.cpuSeconds > 0 && own.cpuSeconds < age * 1_024)
    }
}

@Suite struct SyncMetricsTests {
    private static let name = ObjectName(namespace: "shop", name: "web")
    private let health = HealthMonitor(syncPeriod: .zero)

    private func failure(_ cause: MapError.Cause) -> ApplyReport.Failure {
        ApplyReport.Failure(port: Snapshots.port("web"), operation: nil, error: MapError(.backends4, cause))
    }

    @Test("a change is pending, and the proxy late, until all is programmed")
    func pending() {
        let metrics = SyncMetrics(health: health)
        #expect(health.isHealthy)
        metrics.queued([.serviceGone(Self.name), .sliceGone(Self.name), .sliceGone(Self.name)])
        #expect(metrics.statistics.endpoints == .init(seen: 2, pending: 2))
        #expect(metrics.statistics.services == .init(seen: 1, pending: 1))
        #expect(!health.isHealthy)
        metrics.synced(.init(failures: [failure(.kernel(errno: 12, text: "no memory"))]))
        #expect(metrics.statistics.services.pending == 1 && metrics.statistics.lastSynced == nil)
        #expect(!health.isHealthy)
        metrics.synced(.init())
        #expect(metrics.statistics.services == .init(seen: 1, pending: 0))
        #expect(metrics.statistics.lastSynced != nil)
        #expect(health.isHealthy)
    }

    @Test("a Service without room is counted, and does not take the node out of service")
    func full() {
        let metrics = SyncMetrics(health: health)
        metrics.queued([.serviceGone(Self.name)])
        metrics.synced(.init(failures: [failure(.full(capacity: 1)), failure(.fragmented(wanted: 2, longest: 1))]))
        #expect(health.isHealthy)
        #expect(metrics.statistics.failures == [.init(map: .backends4, errno: "ENOSPC"): 2])
    }

    @Test("failures carry the kernel's name for them", arguments: [(12, "ENOMEM"), (524, "ENOTSUPP"), (131, "131")])
    func errnoNames(number: Int32, name: String) {
        let metrics = SyncMetrics(health: health)
        metrics.synced(.init(failures: [failure(.kernel(errno: number, text: ""))]))
        #expect(metrics.statistics.failures == [.init(map: .backends4, errno: name): 1])
    }

    @Test("full and partial syncs are told apart, and nothing queued is no change")
    func kinds() {
        let metrics = SyncMetrics(health: health)
        metrics.queued([])
        metrics.synced(.init(compile: .milliseconds(3), isFull: true))
        metrics.synced(.init(apply: .seconds(30)))
        metrics.synced(.init(writes: 5))
        let statistics = metrics.statistics
        #expect(statistics.lastQueued == nil)
        #expect(statistics.syncs.count == 3 && statistics.fullSyncs.count == 1 && statistics.partialSyncs.count == 2)
        #expect(statistics.writes.count == 1 && statistics.writes.sum == 5)
        #expect(statistics.phases[.compile]?.count == 3 && statistics.phases[.reclaim] == nil)
    }
}
