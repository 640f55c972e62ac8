import KubernetesAPI
import KubernetesObjects
import Logging
import ServiceModel
import Settings
import Synchronization
import TestKit
import Testing
@testable import ServiceMaps
@testable import SwiftletDaemon

/// Lines of a log, kept.
final class LoggedLines: Sendable {
    private let kept = Mutex<[String]>([])

    var all: [String] { kept.withLock { $0 } }

    func add(_ line: String) { kept.withLock { $0.append(line) } }
}

private struct LineHandler: LogHandler {
    let lines: LoggedLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let values = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        lines.add(([event.message.description] + values).joined(separator: " "))
    }
}

/// A control plane on maps in memory, and a clock that stands until it is told to go.
final class MemoryControlPlane: Sendable {
    let control: ControlPlane<FakeStore>
    let endpoints: DaemonEndpoints
    private let current: Mutex<FakeStore>
    private let moment = Mutex(Duration.zero)
    let warnings = Mutex<[ServiceWarning]>([])
    /// What it has logged.
    let lines = LoggedLines()
    let buried = Mutex<[RemovedBackend]>([])
    /// The capacities that maps were made with which took the place of smaller ones.
    let growths = Mutex<[MapCapacities]>([])
    /// Larger maps cannot be made.
    let refusesGrowth = Mutex(false)

    struct NoRoom: Error {}

    /// - Parameters:
    ///   - store: what an earlier control plane has left.
    ///   - services: how many frontends of each family there is room for.
    ///   - names: how names are answered; as it is, not at all.
    init(
        _ store: FakeStore? = nil, services: UInt32 = 256, grows: Bool = false, names: NameSettings = NameSettings()
    ) throws {
        let capacities = MapCapacities(
            services: services, slots: 512, backends: 256, affinity: 16, countsBackends: true, possibleCPUs: 2)
        let store = store ?? FakeStore(capacities: capacities)
        var settings = Configuration(nodeName: "node")
        settings.kubeProxyReplacement = true
        settings.names = names
        let lines = lines
        let log = Logger(label: "test") { _ in LineHandler(lines: lines) }
        let endpoints = DaemonEndpoints(settings, log: log)
        self.endpoints = endpoints
        current = Mutex(store)
        let parts = Parts()
        var time = Timekeeper.real
        time.now = { parts.now() }
        time.sleep = { _ in Issue.record("the control plane sleeps") }
        control = ControlPlane(
            settings,
            writer: try ServiceMapWriter(store: store, grace: LoggedGrace(store: store), capacities: capacities),
            localAddresses: [], endpoints: endpoints, warn: { parts.warn($0) }, bury: { parts.bury($0) },
            growth: grows
                ? GrowthPlan(limits: MapGrowth(memoryLimit: 1 << 30, possibleCPUs: 2)) { try parts.grow(to: $0) } : nil,
            names: DaemonNames(names), time: time, grace: LoggedGrace(store: store), log: log)
        parts.owner.withLock { $0 = Weak(value: self) }
    }

    /// What the control plane calls leads back to the one that has it.
    private struct Weak: Sendable { weak var value: MemoryControlPlane? }

    private final class Parts: Sendable {
        let owner = Mutex(Weak(value: nil))
        private var test: MemoryControlPlane? { owner.withLock { $0.value } }

        func now() -> Duration { test?.moment.withLock { $0 } ?? .zero }
        func warn(_ warning: ServiceWarning) { test?.warnings.withLock { $0.append(warning) } }
        func bury(_ backends: [RemovedBackend]) { test?.buried.withLock { $0 += backends } }

        func grow(to capacities: MapCapacities) throws -> FakeStore {
            guard let test, !test.refusesGrowth.withLock({ $0 }) else { throw NoRoom() }
            let larger = FakeStore(test.store.contents, capacities: capacities)
            larger.refuses = test.store.refuses
            test.growths.withLock { $0.append(capacities) }
            test.current.withLock { $0 = larger }
            return larger
        }
    }

    /// The maps that are written now.
    var store: FakeStore { current.withLock { $0 } }

    func pass(_ span: Duration) { moment.withLock { $0 += span } }

    func count(_ map: ServiceMap) -> Int { store.contents.maps[map]?.count ?? 0 }
}

extension ControlPlane {
    var pendingPorts: Int { (writer?.pending ?? []).count }
}

/// Services with one port each and a slice with two endpoints.
enum Objects {
    static func name(_ number: Int) -> ObjectName { ObjectName(namespace: "default", name: "web-\(number)") }

    static func port(_ number: Int) throws -> Port { try #require(Port(number)) }

    static func service(_ number: Int, change: (inout Service) -> Void = { _ in }) throws -> [ClusterEvent] {
        var service = Service(name: name(number))
        service.clusterIPs = [IPAddress(v4: 0x0a60_0100 + UInt32(number))]
        service.ports = [.init(port: try port(80))]
        change(&service)
        var slice = EndpointSlice(
            name: ObjectName(namespace: "default", name: "web-\(number)-x"), serviceName: "web-\(number)",
            addressType: .ipv4)
        slice.ports = [.init(port: try port(8080))]
        slice.endpoints = (0..<2).map {
            Endpoint(address: IPAddress(v4: 0x0af4_0000 + UInt32(number * 2 + $0)), nodeName: "node")
        }
        return [.service(service), .slice(slice)]
    }

    /// The first complete list.
    static func list(_ numbers: Range<Int>) throws -> StateBatch {
        StateBatch(events: try numbers.flatMap { try service($0) }, isInitial: true)
    }
}
