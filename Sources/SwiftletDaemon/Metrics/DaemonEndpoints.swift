import Logging
import Observability
import ServiceLifecycle

/// What the daemon shows over HTTP, and where its parts tell what there is to show.
struct DaemonEndpoints: Sendable {
    struct Settings: Sendable {
        /// Nil: not to listen.
        var healthAddress: ListenAddress?
        var metricsAddress: ListenAddress?
        var metricsPerBackend = false
        var metricsServiceLimit = DaemonMetrics.usualServiceLimit
        /// What `/proxyMode` says.
        var proxyMode = "ebpf"
    }

    /// The control plane tells it of changes and syncs.
    let sync: SyncMetrics
    /// The control plane tells it of the node.
    let health: HealthMonitor
    /// The control plane gives it the wanted set.
    let healthChecks: HealthCheckPorts
    /// Addresses that cannot be listened on, for `status`.
    let problems = ListenProblems()
    private let log: Logger

    init(log: Logger) {
        let health = HealthMonitor()
        self.health = health
        self.log = log
        sync = SyncMetrics(health: health)
        healthChecks = HealthCheckPorts(proxyIsHealthy: { health.isHealthy }, problems: problems, log: log)
    }

    /// The long-running parts.
    ///
    /// - Parameters:
    ///   - pins: nil when nothing is programmed.
    ///   - wanted: the control plane's part of the metrics.
    ///   - configuration: what `/configz` shows, as JSON.
    func services(
        _ settings: Settings, pins: DatapathPins?,
        wanted: @escaping @Sendable () async -> MetricsSnapshot.Wanted,
        configuration: @escaping @Sendable () async -> String
    ) -> [any Service] {
        let content = OperatorEndpoints.Content(
            metrics: {
                DaemonMetrics.families(
                    of: snapshot(settings, pins, await wanted()), perBackend: settings.metricsPerBackend,
                    serviceLimit: settings.metricsServiceLimit)
            }, proxyMode: settings.proxyMode, configuration: configuration)
        let endpoints = OperatorEndpoints(
            healthAddress: settings.healthAddress, metricsAddress: settings.metricsAddress, health: health,
            content: content, problems: problems, log: log)
        return [endpoints, healthChecks]
    }

    private func snapshot(
        _ settings: Settings, _ pins: DatapathPins?, _ wanted: MetricsSnapshot.Wanted
    ) -> MetricsSnapshot {
        var snapshot = MetricsSnapshot()
        snapshot.process = ProcessStatistics.own
        snapshot.probes = health.probes
        snapshot.sync = sync.statistics
        snapshot.wanted = wanted
        snapshot.listenProblems = problems.all.count
        do {
            snapshot.kernel = try pins.map {
                try .read($0, known: wanted.mapEntries, serviceLimit: settings.metricsServiceLimit)
            }
        } catch {
            log.warning("cannot read the maps for the metrics", metadata: ["cause": "\(error)"])
        }
        return snapshot
    }
}
