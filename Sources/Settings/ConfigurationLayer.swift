package import Logging
package import NodeNetwork
package import ServiceModel
import SystemPackage

/// What one place says of the settings: the command line, or a file. Nil: it says nothing of this one.
package struct ConfigurationLayer: Sendable {
    package var kubeProxyReplacement: Bool?
    package var manifests: [String]?
    package var kubeconfig: String?
    package var context: String?
    package var apiServers: [String]?
    package var nodeName: String?
    /// Empty: the default proxy.
    package var proxyName: String?
    package var nodePorts: NodePortAddresses?
    package var clusterCIDRs: [CIDR]?
    package var localTrafficMode: LocalTrafficMode?
    package var bridgeInterface: String?
    package var interfaceNamePrefix: String?
    package var masqueradesAll: Bool?
    package private(set) var featureGates: [String: Bool] = [:]
    /// Empty: none.
    package var stateDirectory: String?
    package var cgroupRoot: String?
    package var bpfRoot: String?
    package var bindProtection: Bool?
    package var sockets: SocketService?
    package var leftCgroups: [CgroupPattern]?
    package var socketDestroy: SocketService?
    package var socketDestroyRate: UInt32?
    package var socketDestroyBy: SocketDestroyBy?
    package var devices: DeviceChoice?
    package var podInterfaces: PodInterfaceChoice?
    package var forwarding: ForwardingChoice?
    package var masqueradePorts: [PortRange]?
    package var nodePortRange: PortRange?
    package var servesClusterIPsOutside: Bool?
    package var serviceCIDRs: [CIDR]?
    package var setsSysctls: Bool?
    package var timeouts = FlowTimeouts.Choice()
    package var mapSizes = MapSizeSettings.Choice()
    package var names = NameSettings.Choice()
    /// Only its family counts: the one in which health and metrics are served by default.
    package var bindAddress: IPAddress?
    package var healthz: BindSetting?
    package var metrics: BindSetting?
    package var metricsPerBackend: Bool?
    package var recordsEvents: Bool?
    package var syncPeriod: Duration?
    package var oomScoreAdjustment: Int?
    package var logLevel: Logger.Level?
    package var logFormat: LogFormat?
    package var withoutEffect: [WithoutEffect] = []

    package init() {}

    /// Adds gates; those that swiftlet does not have are remembered as without effect.
    package mutating func set(gates: [String: Bool]) {
        featureGates.merge(gates) { $1 }
        for name in gates.keys where !FeatureGate.known.contains(name) {
            withoutEffect.append(WithoutEffect("feature gate \(name)", .gate))
        }
    }

    fileprivate var namesCluster: Bool { kubeconfig != nil || !(apiServers ?? []).isEmpty }
    fileprivate var namesManifests: Bool { !(manifests ?? []).isEmpty }
}

extension Configuration {
    /// Applies a layer above those that were applied before.
    package mutating func apply(_ layer: ConfigurationLayer) throws(ConfigurationError) {
        try applySource(layer)
        applyNode(layer)
        applyAddresses(layer)
        kubeProxyReplacement = layer.kubeProxyReplacement ?? kubeProxyReplacement
        if let directory = layer.stateDirectory { stateDirectory = directory.isEmpty ? nil : FilePath(directory) }
        cgroupRoot = layer.cgroupRoot.map { FilePath($0) } ?? cgroupRoot
        bpfRoot = layer.bpfRoot.map { FilePath($0) } ?? bpfRoot
        bindProtection = layer.bindProtection ?? bindProtection
        sockets = layer.sockets ?? sockets
        leftCgroups = layer.leftCgroups ?? leftCgroups
        socketDestroy.apply(layer)
        packets.apply(layer)
        names.apply(layer)
        mapSizes.apply(layer.mapSizes)
        metricsPerBackend = layer.metricsPerBackend ?? metricsPerBackend
        recordsEvents = layer.recordsEvents ?? recordsEvents
        syncPeriod = layer.syncPeriod ?? syncPeriod
        oomScoreAdjustment = layer.oomScoreAdjustment ?? oomScoreAdjustment
        logLevel = layer.logLevel ?? logLevel
        logFormat = layer.logFormat ?? logFormat
        withoutEffect += layer.withoutEffect
    }

    /// A layer that names a source of its own replaces that of the layers below.
    private mutating func applySource(_ layer: ConfigurationLayer) throws(ConfigurationError) {
        if layer.namesManifests && layer.namesCluster {
            throw ConfigurationError(
                "cannot read manifests and a cluster at once: name either --manifests, or --kubeconfig and --apiserver")
        }
        if layer.namesManifests { cluster = ClusterAccess() }
        if layer.namesCluster { manifests = [] }
        manifests = layer.manifests ?? manifests
        cluster.kubeconfig = layer.kubeconfig.map { FilePath($0) } ?? cluster.kubeconfig
        cluster.context = layer.context ?? cluster.context
        cluster.apiServers = layer.apiServers ?? cluster.apiServers
    }

    private mutating func applyNode(_ layer: ConfigurationLayer) {
        node.name = layer.nodeName ?? node.name
        if let name = layer.proxyName { node.proxyName = name.isEmpty ? nil : name }
        node.nodePorts = layer.nodePorts ?? node.nodePorts
        node.localTraffic.mode = layer.localTrafficMode ?? node.localTraffic.mode
        node.localTraffic.clusterCIDRs = layer.clusterCIDRs ?? node.localTraffic.clusterCIDRs
        node.localTraffic.bridgeInterface = layer.bridgeInterface ?? node.localTraffic.bridgeInterface
        node.localTraffic.interfaceNamePrefix = layer.interfaceNamePrefix ?? node.localTraffic.interfaceNamePrefix
        node.masqueradesAll = layer.masqueradesAll ?? node.masqueradesAll
        featureGates.merge(layer.featureGates) { $1 }
        node.servesExternalIPs = featureGates[FeatureGate.externalIPs] ?? true
    }

    private mutating func applyAddresses(_ layer: ConfigurationLayer) {
        if let family = layer.bindAddress?.family {
            if BindPlace.healthz.isUsual(healthzAddress) { healthzAddress = BindPlace.healthz.usual(for: family) }
            if BindPlace.metrics.isUsual(metricsAddress) { metricsAddress = BindPlace.metrics.usual(for: family) }
        }
        if let healthz = layer.healthz { healthzAddress = healthz.address }
        if let metrics = layer.metrics { metricsAddress = metrics.address }
    }
}

/// The gates of kube-proxy that change something here.
package enum FeatureGate {
    /// Off: externalIPs are not served (spec 23).
    static let externalIPs = "AllowServiceExternalIPs"
    static let known: Set<String> = [externalIPs]
}

extension PacketSettings {
    fileprivate mutating func apply(_ layer: ConfigurationLayer) {
        devices = layer.devices ?? devices
        podInterfaces = layer.podInterfaces ?? podInterfaces
        forwarding = layer.forwarding ?? forwarding
        masqueradePorts = layer.masqueradePorts ?? masqueradePorts
        nodePortRange = layer.nodePortRange ?? nodePortRange
        servesClusterIPsOutside = layer.servesClusterIPsOutside ?? servesClusterIPsOutside
        serviceCIDRs = layer.serviceCIDRs ?? serviceCIDRs
        setsSysctls = layer.setsSysctls ?? setsSysctls
        timeouts.apply(layer.timeouts)
    }
}
