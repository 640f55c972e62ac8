import Foundation
import KubernetesAPI
import Observability
import ServiceModel
import Testing

@testable import ServiceMaps
@testable import SwiftletDaemon

enum Snapshots {
    static func port(_ name: String, port: String = "http", _ family: IPFamily = .v4) -> ServicePortName {
        ServicePortName(service: ObjectName(namespace: "shop", name: name), port: port, proto: .tcp, family: family)
    }

    /// With something in every family.
    static func full() throws -> MetricsSnapshot {
        var snapshot = MetricsSnapshot(version: "1.2.3", mapABI: 1)
        snapshot.process = ProcessStatistics.own
        snapshot.probes.healthz[200] = 7
        snapshot.sync = sync()
        snapshot.wanted.totals = DaemonReport.Totals()
        snapshot.wanted.totals.services = 2
        snapshot.wanted.pendingPorts = 1
        snapshot.wanted.sockets = SocketDestroyReport(mechanism: "bpf", whose: "full", destroyed: ["UDP": 3])
        snapshot.wanted.names = NameStatistics(responses: ["answered": 4], services: 2)
        snapshot.listenProblems = 1
        snapshot.wanted.isAPIServerUp = true
        snapshot.hooks = HookMetrics(attached: ["connect4": true, "connect6": false], isEffective: true)
        snapshot.requests = [
            .init(code: "200", method: "GET", host: "10.0.0.1:6443"): 9,
            .init(code: "<error>", method: "GET", host: "10.0.0.1:6443"): 1,
        ]
        let latencies = RequestLatencies()
        for kind in snapshot.requests.keys { latencies.observe(kind, .milliseconds(30)) }
        snapshot.latencies = latencies.all
        var kernel = MetricsSnapshot.Kernel()
        kernel.counters = ["forward": 5, "refuse_no_backend": 2]
        let backend = ServiceUse.Backend(
            address: try #require(IPAddress("fd00::7")), port: try #require(Port(8080)), forwarded: 5)
        kernel.uses = [
            ServiceUse(
                name: port("web"), counter: ServiceCounter(forwarded: 5, refusals: [.other: 1, .noEndpoints: 2])),
            ServiceUse(name: port("web", .v6), counter: ServiceCounter(), backends: [backend]),
        ]
        kernel.servicePorts = 2
        kernel.maps = ServiceMap.allCases.map { .init(name: $0.rawValue, entries: 3, capacity: 16, memory: 4_096) }
        snapshot.kernel = kernel
        return snapshot
    }

    private static func sync() -> SyncStatistics {
        let metrics = SyncMetrics(health: HealthMonitor())
        let name = ObjectName(namespace: "shop", name: "web")
        metrics.queued([.serviceGone(name), .sliceGone(name), .nodeGone("n")])
        let failure = ApplyReport.Failure(
            port: port("web"), operation: nil, error: MapError(.slots4, .full(capacity: 16)))
        metrics.synced(
            .init(
                compile: .milliseconds(1), apply: .milliseconds(2), writes: 9, isFull: true, failures: [failure]))
        metrics.reclaimed(in: .microseconds(50))
        metrics.programmed(change: Date(timeIntervalSinceNow: -2), .ipv4)
        metrics.cleanedFlows(.ipv4, in: .milliseconds(1), deleted: 3)
        var watch = SourceStatistics.Resource()
        watch.lists = 1
        watch.restarts = [.expired: 1]
        watch.decodeNanoseconds = 3_000_000
        metrics.take(SourceStatistics(resources: ["services": watch]))
        return metrics.statistics
    }
}
