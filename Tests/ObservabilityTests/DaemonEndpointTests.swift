import BPFLoader
import DatapathInstall
import Logging
import NetworkLab
import ServiceLifecycle
import ServiceModel
import Settings
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

    @Test("they are where NodePorts are, but on loopback only if nothing else was chosen")
    func hosts() throws {
        let address = try #require(IPAddress("192.0.2.1"))
        let loopback = NodePortAddress(try #require(IPAddress("127.0.0.1")), hostOnly: true)
        let node = NodeConfiguration(name: "here", nodePortAddresses: [loopback, NodePortAddress(address)])
        #expect(NodeConfiguration(name: "", nodePortAddresses: [loopback]).healthCheckHosts(.primary) == ["127.0.0.1"])
        #expect(node.healthCheckHosts(.primary) == ["192.0.2.1"])
        #expect(node.healthCheckHosts(.all) == nil)
    }
}

/// A datapath in a cgroup and pins of its own, with a Service that has a backend and one that has none.
///
/// A class, so that a test that waits need not hold kernel objects itself.
private final class CountingDatapath {
    private static let vip = "198.18.96.15"

    let pins: DatapathPins
    /// Entries by map, as the control plane believes.
    let known: [ServiceMap: Int]
    private let cgroup: Cgroup
    private let backend: Stranger

    var backendPort: UInt16 { backend.port }

    init() throws {
        let cgroup = try Cgroup("metrics")
        let path = FilePath(cgroup.path)
        self.cgroup = cgroup
        let backend = try Stranger()
        self.backend = backend
        let name = try #require(path.lastComponent)
        let pins = DatapathPins(root: FilePath("/sys/fs/bpf").appending(name))
        self.pins = pins
        let capacities = MapCapacities(
            services: 64, slots: 256, backends: 64, affinity: 16, countsBackends: true, possibleCPUs: CPUs.possible)
        let features = try #require(Kernel.features)
        let datapath = try SocketDatapath(pins: pins, capacities: capacities, features: features, hostNetnsCookie: nil)
        var writer = try ServiceMapWriter(
            store: BPFMapStore(pins: pins), grace: RCUGracePeriod(), capacities: capacities)
        let services = [try Self.service("full", 80, backend.port), try Self.service("empty", 81, nil)]
        let failures = writer.apply(upserts: services).failures
        known = writer.statistics.mapValues(\.entries)
        _ = try datapath.attach(to: path, bindProtection: false)
        #expect(failures.isEmpty)
    }

    deinit { _ = try? Cleanup(bpfRoot: pins.root).run() }

    private static func service(_ name: String, _ port: Int, _ backend: UInt16?) throws -> DesiredService {
        let key = FrontendKey(address: try #require(IPAddress(vip)), port: try #require(Port(port)), proto: .tcp)
        let address = try #require(IPAddress("127.0.0.1"))
        let backends = backend.flatMap { Port(Int($0)) }.map { [DesiredBackend(address: address, port: $0)] } ?? []
        let action: DesiredFrontend.Action = backends.isEmpty ? .reject : .balance
        let port = DesiredServicePort(
            name: Snapshots.port(name), backends: backends,
            frontends: [DesiredFrontend(key: key, kind: .clusterIP, action: action)])
        return DesiredService(name: ObjectName(namespace: "shop", name: name), ports: [port])
    }

    /// Connects so many times, from a process of the cgroup.
    func connect(_ port: Int, _ times: Int) throws {
        let program = """
            use IO::Socket::INET;
            IO::Socket::INET->new(PeerAddr => '\(Self.vip)', PeerPort => \(port), Timeout => 5) for 1..\(times);
            """
        var child = try ChildProcess(["perl", "-e", program], cgroup: cgroup.path)
        let status = try child.wait()
        #expect(status == .exited(0))
    }
}

@Suite(.tags(.kernel), .enabled(if: Kernel.canLoadPrograms, Kernel.reason))
struct DaemonEndpointTests {
    @Test("connects and refusals of a service port are counted as its clients count them")
    func counts() async throws {
        let datapath = try CountingDatapath()
        try datapath.connect(80, 3)
        try datapath.connect(81, 2)
        let text = try await scrape(datapath.pins, datapath.known)
        let labels = #"",port="http",protocol="TCP",ip_family="IPv4"}"#
        let refusalLabels = labels.dropLast() + #",reason="no_endpoints"}"#
        let backendLabels = labels.dropLast() + #",backend="127.0.0.1:\#(datapath.backendPort)"}"#
        for line in [
            #"swiftlet_service_connects_total{namespace="shop",name="full\#(labels) 3"#,
            #"swiftlet_service_connects_total{namespace="shop",name="empty\#(labels) 0"#,
            #"swiftlet_service_refusals_total{namespace="shop",name="empty\#(refusalLabels) 2"#,
            #"swiftlet_backend_connects_total{namespace="shop",name="full\#(backendLabels) 3"#,
            "swiftlet_service_ports_omitted 0", #"swiftlet_datapath_verdicts_total{reason="forward"} 3"#,
            #"swiftlet_datapath_verdicts_total{reason="refuse_no_backend"} 2"#,
            #"swiftlet_map_entries{map="services4"} 2"#, #"swiftlet_map_entries{map="backends4"} 1"#,
            #"swiftlet_map_capacity_entries{map="services4"} 64"#, #"swiftlet_map_entries{map="slots4"} 1"#,
            // It is attached without protection of NodePorts, which the settings of the scrape ask for.
            #"swiftlet_hooks_attached{hook="connect4"} 1"#, #"swiftlet_hooks_attached{hook="bind4"} 0"#,
        ] {
            #expect(text.contains("\n\(line)\n"), "\(line)")
        }
        #expect(text.split(separator: "\n").count { $0.hasPrefix("swiftlet_service_refusals_total{") } == 1)
    }

    @Test("what the control plane believes is what the kernel has, and the limit bounds what is read")
    func fill() throws {
        let datapath = try CountingDatapath()
        let counted = try MapInspection.fill(of: datapath.pins).map(\.entries)
        #expect(try MapInspection.fill(of: datapath.pins, known: datapath.known).map(\.entries) == counted)
        let some = try MetricsSnapshot.Kernel.read(datapath.pins, known: datapath.known, serviceLimit: 1)
        #expect(some.uses.map(\.name.service.name) == ["full"])
        #expect(some.servicePorts == 2)
    }

    private func scrape(_ pins: DatapathPins, _ known: [ServiceMap: Int]) async throws -> String {
        let listening = Listening()
        let port = try Stranger().port
        var settings = Configuration(nodeName: "here")
        settings.healthzAddress = nil
        settings.metricsAddress = ListenAddress(host: "127.0.0.1", port: port)
        settings.metricsPerBackend = true
        let services = DaemonEndpoints(settings, log: listening.log).services(
            pins: pins, cgroup: "/sys/fs/cgroup",
            wanted: {
                var wanted = MetricsSnapshot.Wanted()
                wanted.mapEntries = known
                return wanted
            }, page: { StatusPage.sample(problems: [], services: .sample()) })
        return try await listening.during(try #require(services.first)) { () async throws in
            await listening.announcement()
            #expect(try await HTTPExchange.ask("/configz", port: port).body == settings.configzBody())
            return try await HTTPExchange.ask("/metrics", port: port).body
        }
    }
}
