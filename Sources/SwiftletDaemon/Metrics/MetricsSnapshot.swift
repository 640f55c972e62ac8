import KubernetesAPI
import Observability
import ServiceMaps
import ServiceModel

/// Everything that the metrics show, as it was at one moment.
struct MetricsSnapshot: Sendable {
    /// What the control plane knows of the present.
    struct Wanted: Sendable {
        var totals = DaemonReport.Totals()
        var gaps = EndpointGaps()
        var emptyServices = EmptyServices()
        /// Service ports that are not in the maps as they should be.
        var pendingPorts = 0
        /// Frontends that two Services claim.
        var conflicts = 0
        /// Manifests and objects that were refused.
        var refusedObjects = 0
        /// Entries of the maps that the control plane writes.
        var mapEntries: [ServiceMap: Int] = [:]
        /// One ClusterIP of each family that has one in the maps.
        var vips: [IPAddress] = []
        /// Nil without a cluster.
        var isAPIServerUp: Bool?
        /// Nil when nothing is programmed.
        var sockets: SocketDestroyReport?
        /// Nil when no names are answered.
        var names: NameStatistics?
    }

    /// What the kernel knows.
    struct Kernel: Sendable {
        /// The verdicts, by the name of their counter in lower case.
        var counters: [String: UInt64] = [:]
        /// Of the service ports with the lowest ids.
        var uses: [ServiceUse] = []
        /// Service ports in the maps, read one by one or not.
        var servicePorts = 0
        var maps: [StatusReport.MapFill] = []
    }

    var version: String
    var mapABI: Int
    var process: ProcessStatistics?
    var probes = HealthMonitor.Probes()
    var sync = SyncStatistics()
    var wanted = Wanted()
    /// Nil when nothing is programmed.
    var kernel: Kernel?
    /// Nil when nothing is programmed.
    var hooks: HookMetrics?
    var requests: [RequestBoard.Kind: UInt64] = [:]
    var latencies: [RequestLatencies.Way: Histogram] = [:]
    /// Addresses that cannot be listened on.
    var listenProblems = 0

    init(version: String = Version.swiftlet, mapABI: Int = Version.mapABI) {
        self.version = version
        self.mapABI = mapABI
    }
}
