import DatapathInstall
import KubernetesAPI
import Logging
import Observability
import ServiceLifecycle
import Settings
import SystemPackage

/// What the daemon shows over HTTP, and where its parts tell what there is to show.
struct DaemonEndpoints: Sendable {
    /// What `/proxyMode` says.
    private static let proxyMode = "ebpf"

    /// The control plane tells it of changes and syncs.
    let sync: SyncMetrics
    /// The control plane tells it of the node.
    let health: HealthMonitor
    /// The control plane gives it the wanted set.
    let healthChecks: HealthCheckPorts
    /// Addresses that cannot be listened on, for `status`.
    let problems = ListenProblems()
    /// All requests to API servers are counted here.
    let requests: RequestBoard
    private let latencies: RequestLatencies
    private let settings: Configuration
    private let log: Logger

    init(_ settings: Configuration, log: Logger) {
        let health = HealthMonitor(syncPeriod: settings.syncPeriod)
        let latencies = RequestLatencies()
        self.latencies = latencies
        requests = RequestBoard { latencies.observe($0, $1) }
        self.health = health
        self.settings = settings
        self.log = log
        sync = SyncMetrics(health: health)
        let room = OpenFiles.forHealthChecks(of: OpenFiles.limit)
        healthChecks = HealthCheckPorts(
            proxyIsHealthy: { health.isHealthy }, problems: problems, log: log, limit: room.listeners,
            connections: room.connections)
    }

    /// The long-running parts.
    ///
    /// - Parameters:
    ///   - pins: nil when nothing is programmed.
    ///   - cgroup: whose processes' sockets the hooks translate.
    ///   - wanted: the control plane's part of the metrics.
    ///   - page: the status page as it is now.
    func services(
        pins: DatapathPins?, cgroup: FilePath, wanted: @escaping @Sendable () async -> MetricsSnapshot.Wanted,
        page: @escaping @Sendable () async -> StatusPage
    ) -> [any Service] {
        let content = OperatorEndpoints.Content(
            metrics: {
                DaemonMetrics.families(
                    of: snapshot(pins, cgroup, await wanted()), perBackend: settings.metricsPerBackend)
            }, proxyMode: Self.proxyMode, configuration: { [settings] in settings.configzBody() },
            page: { nonce in await page().html(nonce: nonce).description })
        let endpoints = OperatorEndpoints(
            healthAddress: settings.healthzAddress, metricsAddress: settings.metricsAddress,
            health: health, content: content, problems: problems, log: log)
        return [endpoints, healthChecks]
    }

    private func snapshot(
        _ pins: DatapathPins?, _ cgroup: FilePath, _ wanted: MetricsSnapshot.Wanted
    ) -> MetricsSnapshot {
        var snapshot = MetricsSnapshot()
        snapshot.process = ProcessStatistics.own
        snapshot.probes = health.probes
        snapshot.sync = sync.statistics
        snapshot.wanted = wanted
        snapshot.listenProblems = problems.all.count
        snapshot.requests = requests.all
        snapshot.latencies = latencies.all
        snapshot.hooks = pins.map { .look(at: $0, settings, cgroup: cgroup, vips: wanted.vips) }
        do {
            snapshot.kernel = try pins.map {
                try .read($0, known: wanted.mapEntries, serviceLimit: DaemonMetrics.usualServiceLimit)
            }
        } catch {
            log.warning("cannot read the maps for the metrics", metadata: ["cause": "\(error)"])
        }
        return snapshot
    }
}
