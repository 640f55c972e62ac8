package import Logging
package import Observability
package import ServiceModel
package import SystemPackage

/// Everything that `swiftlet run` can be told, by flags or by a configuration file.
package struct Configuration: Sendable, Hashable {
    /// False: observe, and program nothing.
    package var kubeProxyReplacement = false
    package var manifests: [String] = []
    /// How to reach a cluster, if that is where the Services come from.
    package var cluster = ClusterAccess()
    /// What is chosen for this node: its name, NodePort addresses, what is local, what is served.
    package var node: NodeSettings
    /// Where the last known state is kept; nil: nowhere.
    package var stateDirectory: FilePath? = Configuration.defaultStateDirectory
    /// Nil: the root of the cgroup2 hierarchy, found in mountinfo.
    package var cgroupRoot: FilePath?
    package var bpfRoot: FilePath = Configuration.defaultBPFRoot
    package var bindProtection = true
    /// Whose sockets the hooks serve.
    package var sockets = SocketService.full
    /// Those of processes below these cgroups they leave to the packets.
    package var leftCgroups: [CgroupPattern] = []
    /// What becomes of sockets whose backend is gone.
    package var socketDestroy = SocketDestroySettings()
    /// What is translated packet by packet.
    package var packets = PacketSettings()
    /// Names of Services by DNS.
    package var names = NameSettings()
    /// How large the maps are.
    package var mapSizes = MapSizeSettings()
    /// Where `/healthz` and `/livez` are served (spec 46); nil: nowhere.
    package var healthzAddress: ListenAddress? = BindPlace.healthz.usual(for: .v4)
    /// Where `/metrics` and `/configz` are served (spec 47); nil: nowhere.
    package var metricsAddress: ListenAddress? = BindPlace.metrics.usual(for: .v4)
    /// Counts the connections of each backend.
    package var metricsPerBackend = false
    /// Conflicts are written as Events to the API server.
    package var recordsEvents = true
    /// An update that has waited for twice as long makes `/healthz` answer 503 (spec 46).
    package var syncPeriod = Duration.seconds(30)
    /// How reluctantly the kernel ends this process when memory runs out.
    package var oomScoreAdjustment = -999
    /// The gates that were set; known ones take effect in `node`.
    package var featureGates: [String: Bool] = [:]
    /// Program the first complete list, attach, and end: the datapath serves on.
    package var initOnly = false
    package var logLevel: Logger.Level = .info
    package var logFormat: LogFormat = .text
    /// What was accepted and changes nothing.
    package var withoutEffect: [WithoutEffect] = []

    package static let defaultBPFRoot: FilePath = "/sys/fs/bpf/swiftlet"
    package static let defaultStateDirectory: FilePath = "/var/lib/swiftlet"

    package init(nodeName: String) { node = NodeSettings(name: nodeName) }

    package var nodeName: String { node.name }
}

/// How to reach a cluster's API servers.
package struct ClusterAccess: Sendable, Hashable {
    /// Nil: the credentials of the pod's service account, if it has one.
    package var kubeconfig: FilePath?
    /// Nil: the kubeconfig's current one.
    package var context: String?
    /// Instead of the URL that the kubeconfig, or the pod's environment, names; tried in this order.
    package var apiServers: [String] = []

    package init() {}

    /// The cluster was named.
    package var isNamed: Bool { kubeconfig != nil || !apiServers.isEmpty }
}

/// How log lines are written.
package enum LogFormat: String, Sendable, CaseIterable {
    case text
    case json
}

/// Settings that cannot be used: what it is, what is wrong and what to do.
package struct ConfigurationError: Error, CustomStringConvertible, Sendable {
    package var description: String

    package init(_ description: String) { self.description = description }
}
