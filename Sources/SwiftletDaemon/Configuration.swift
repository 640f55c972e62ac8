public import Logging
public import Observability
public import ServiceModel
public import SystemPackage

/// Everything that `swiftlet run` can be told, by flags or by a configuration file.
public struct Configuration: Sendable, Hashable {
    /// False: observe, and program nothing.
    public var kubeProxyReplacement = false
    public var manifests: [String] = []
    /// How to reach a cluster, if that is where the Services come from.
    public var cluster = ClusterAccess()
    /// What is chosen for this node: its name, NodePort addresses, who is local, what is served.
    public var node: NodeSettings
    /// Where the last known state is kept; nil: nowhere.
    public var stateDirectory: FilePath? = Configuration.defaultStateDirectory
    /// Nil: the root of the cgroup2 hierarchy, found in mountinfo.
    public var cgroupRoot: FilePath?
    public var bpfRoot: FilePath = Configuration.defaultBPFRoot
    public var bindProtection = true
    /// Whose sockets the hooks serve.
    public var sockets = SocketService.full
    /// What becomes of sockets whose backend is gone.
    public var socketDestroy = SocketDestroySettings()
    /// What is translated packet by packet.
    public var packets = PacketSettings()
    public var maxServices: UInt32 = 65_536
    public var maxBackends: UInt32 = 131_072
    public var maxSlots: UInt32 = 262_144
    public var maxSourceRanges: UInt32 = 65_536
    /// MiB of kernel memory that the maps of Services may grow to; 0: they keep their size.
    public var mapMemoryLimit: UInt32 = 512
    /// Where `/healthz` and `/livez` are served (spec 46); nil: nowhere.
    public var healthzAddress: ListenAddress? = BindPlace.healthz.usual(for: .v4)
    /// Where `/metrics` and `/configz` are served (spec 47); nil: nowhere.
    public var metricsAddress: ListenAddress? = BindPlace.metrics.usual(for: .v4)
    /// Counts the connections of each backend.
    public var metricsPerBackend = false
    /// Conflicts are written as Events to the API server.
    public var recordsEvents = true
    /// An update that has waited for twice as long makes `/healthz` answer 503 (spec 46).
    public var syncPeriod = Duration.seconds(30)
    /// How reluctantly the kernel ends this process when memory runs out.
    public var oomScoreAdjustment = -999
    /// The gates that somebody set; those that are known have their effect in `node`.
    public var featureGates: [String: Bool] = [:]
    /// Program the first complete list, attach, and end: the datapath serves on.
    public var initOnly = false
    public var logLevel: Logger.Level = .info
    public var logFormat: LogFormat = .text
    /// What was accepted and changes nothing.
    public var withoutEffect: [WithoutEffect] = []

    public static let defaultBPFRoot: FilePath = "/sys/fs/bpf/swiftlet"
    public static let defaultStateDirectory: FilePath = "/var/lib/swiftlet"

    public init(nodeName: String) { node = NodeSettings(name: nodeName) }

    public var nodeName: String { node.name }
}

/// How to reach a cluster's API servers.
public struct ClusterAccess: Sendable, Hashable {
    /// Nil: the credentials of the pod's service account, if it has one.
    public var kubeconfig: FilePath?
    /// Nil: the kubeconfig's current one.
    public var context: String?
    /// Instead of the URL that the kubeconfig, or the pod's environment, names; tried in this order.
    public var apiServers: [String] = []

    public init() {}

    /// Somebody said which cluster it is.
    public var isNamed: Bool { kubeconfig != nil || !apiServers.isEmpty }
}

/// How log lines are written.
public enum LogFormat: String, Sendable, CaseIterable {
    case text
    case json
}

/// Settings that cannot be used: what it is, what is wrong and what to do.
public struct ConfigurationError: Error, CustomStringConvertible, Sendable {
    public var description: String

    public init(_ description: String) { self.description = description }
}
