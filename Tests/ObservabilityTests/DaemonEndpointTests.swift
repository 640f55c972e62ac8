import BPFLoader
import Logging
import NetworkLab
import ServiceLifecycle
import ServiceModel
import SystemPackage
import TestKit
import Testing

@testable import Observability
@testable import ServiceMaps
@testable import SwiftletDaemon

@Suite struct WantedHealthCheckTests {
    private func service(_ name: String, _ port: Int?, _ endpoints: Int) -> (ObjectName, DesiredService) {
        let name = ObjectName(namespace: "shop", name: name)
        return (
            name,
            DesiredService(name: name, healthCheckNodePort: port.flatMap(Port.init), localReadyEndpoints: endpoints)
        )
    }

    @Test("each health check port belongs to one Service, with its count")
    func wanted() {
        let services = [
            service("b", 30_001, 2), service("a", 30_001, 1), service("c", 30_002, 0), service("d", nil, 0),
        ]
        let desired = DesiredState(services: Dictionary(uniqueKeysWithValues: services))
        #expect(
            HealthCheck.wanted(by: desired) == [
                30_001: HealthCheck(namespace: "shop", name: "a", localEndpoints: 1),
                30_002: HealthCheck(namespace: "shop", name: "c", localEndpoints: 0),
            ])
    }

    @Test("they are where NodePorts are")
    func hosts() throws {
        let address = try #require(IPAddress("192.0.2.1"))
        let node = NodeConfiguration(name: "here", nodePortAddresses: [NodePortAddress(address)])
        #expect(node.healthCheckHosts(.primary) == ["192.0.2.1"])
        #expect(node.healthCheckHosts(.all) == nil)
    }
}

/// The datapath in a cgroup and pins of its own, and what its metrics say over HTTP.
@Suite(.tags(.kernel), .enabled(if: Kernel.canLoadPrograms, Kernel.reason))
struct DaemonEndpointTests {
    private static let vip = "198.18.96.15"

    @Test("connects and refusals of a service port are counted as its clients count them")
    func counts() async throws {
        let cgroup = try Cgroup("metrics")
        let root = FilePath("/sys/fs/bpf").appending(FilePath(cgroup.path).lastComponent?.string ?? "")
        let features = try #require(Kernel.features)
        let stranger = try Stranger()
        defer { _ = try? Cleanup(bpfRoot: root).run() }
        let capacities = MapCapacities(
            services: 64, slots: 256, backends: 64, affinity: 16, possibleCPUs: CPUs.possible)
        let datapath = try Datapath(
            pins: DatapathPins(root: root), capacities: capacities, features: features, hostNetnsCookie: nil)
        var writer = try ServiceMapWriter(
            store: BPFMapStore(pins: datapath.pins), grace: RCUGracePeriod(), capacities: capacities)
        let report = writer.apply(upserts: [try service("full", 80, stranger.port), try service("empty", 81, nil)])
        #expect(report.failures.isEmpty)
        _ = try datapath.attach(to: FilePath(cgroup.path), bindProtection: false)
        for (port, times) in [(80, 3), (81, 2)] { try connect(port, times, in: cgroup.path) }

        var known: [ServiceMap: Int] = [:]
        for (map, fill) in writer.statistics { known[map] = fill.entries }
        let text = try await scrape(datapath.pins, known)
        for line in [
            #"swiftlet_service_connects_total{namespace="shop",name="full",port="http",protocol="TCP",ip_family="IPv4"} 3"#,
            #"swiftlet_service_refusals_total{namespace="shop",name="full",port="http",protocol="TCP",ip_family="IPv4"} 0"#,
            #"swiftlet_service_connects_total{namespace="shop",name="empty",port="http",protocol="TCP",ip_family="IPv4"} 0"#,
            #"swiftlet_service_refusals_total{namespace="shop",name="empty",port="http",protocol="TCP",ip_family="IPv4"} 2"#,
            "swiftlet_service_ports_omitted 0", #"swiftlet_datapath_verdicts_total{reason="forward"} 3"#,
            #"swiftlet_datapath_verdicts_total{reason="refuse_no_backend"} 2"#,
            #"swiftlet_map_entries{map="services4"} 2"#, #"swiftlet_map_entries{map="backends4"} 1"#,
            #"swiftlet_map_capacity_entries{map="services4"} 64"#, #"swiftlet_map_entries{map="slots4"} 1"#,
        ] { #expect(text.contains("\n\(line)\n"), "\(line)") }
        #expect(
            try MapInspection.fill(of: datapath.pins).map(\.entries)
                == MapInspection.fill(of: datapath.pins, known: known).map(\.entries),
            "what the control plane believes is what the kernel has")
        let some = try MetricsSnapshot.Kernel.read(datapath.pins, known: known, serviceLimit: 1)
        #expect(some.uses.map(\.id.number) == [1] && some.servicePorts == 2)
        withExtendedLifetime(stranger) {}
    }

    private func service(_ name: String, _ port: Int, _ backend: UInt16?) throws -> DesiredService {
        let key = FrontendKey(
            address: try #require(IPAddress(Self.vip)), port: try #require(Port(port)), proto: .tcp)
        let address = try #require(IPAddress("127.0.0.1"))
        let backends = try backend.map { [DesiredBackend(address: address, port: try #require(Port(Int($0))))] } ?? []
        return DesiredService(
            name: ObjectName(namespace: "shop", name: name),
            ports: [
                DesiredServicePort(
                    name: Snapshots.port(name), backends: backends,
                    frontends: [
                        DesiredFrontend(key: key, kind: .clusterIP, action: backend == nil ? .reject : .balance)
                    ])
            ])
    }

    /// Each connect is from a process of the cgroup.
    private func connect(_ port: Int, _ times: Int, in cgroup: String) throws {
        let program = """
            use IO::Socket::INET;
            IO::Socket::INET->new(PeerAddr => '\(Self.vip)', PeerPort => \(port), Timeout => 5) for 1..\(times);
            """
        var child = try ChildProcess(["perl", "-e", program], cgroup: cgroup)
        #expect(try child.wait() == .exited(0))
    }

    private func scrape(_ pins: DatapathPins, _ known: [ServiceMap: Int]) async throws -> String {
        let listening = Listening()
        let endpoints = DaemonEndpoints(log: listening.log)
        let port = try Stranger().port
        var settings = DaemonEndpoints.Settings()
        settings.metricsAddress = ListenAddress(host: "127.0.0.1", port: port)
        let services = endpoints.services(
            settings, pins: pins,
            wanted: {
                var wanted = MetricsSnapshot.Wanted()
                wanted.mapEntries = known
                return wanted
            }, configuration: { "{}" })
        return try await listening.during(try #require(services.first)) { () async throws in
            await listening.announcement()
            return try await HTTPExchange.ask("/metrics", port: port).body
        }
    }
}
