public import Logging
public import NodeNetwork
public import ServiceModel
import SystemPackage

/// What one place says of the settings: the command line, or a file. Nil: it says nothing of this one.
public struct ConfigurationLayer: Sendable {
    public var kubeProxyReplacement: Bool?
    public var manifests: [String]?
    public var kubeconfig: String?
    public var context: String?
    public var apiServers: [String]?
    public var nodeName: String?
    /// Empty: the default proxy.
    public var proxyName: String?
    public var nodePorts: NodePortAddresses?
    public var clusterCIDRs: [CIDR]?
    public var localTrafficMode: LocalTrafficMode?
    public var bridgeInterface: String?
    public var interfaceNamePrefix: String?
    public var masqueradesAll: Bool?
    public private(set) var featureGates: [String: Bool] = [:]
    /// Empty: none.
    public var stateDirectory: String?
    public var cgroupRoot: String?
    public var bpfRoot: String?
    public var bindProtection: Bool?
    public var sockets: SocketService?
    public var socketDestroy: SocketService?
    public var socketDestroyRate: UInt32?
    public var socketDestroyBy: SocketDestroyBy?
    public var devices: DeviceChoice?
    public var podInterfaces: PodInterfaceChoice?
    public var forwarding: ForwardingChoice?
    public var masqueradePorts: [PortRange]?
    public var nodePortRange: PortRange?
    public var servesClusterIPsOutside: Bool?
    public var serviceCIDRs: [CIDR]?
    public var setsSysctls: Bool?
    public var timeouts = FlowTimeouts.Choice()
    public var maxServices: UInt32?
    public var maxBackends: UInt32?
    public var maxSlots: UInt32?
    public var maxSourceRanges: UInt32?
    public var mapMemoryLimit: UInt32?
    /// Only its family counts: the one in which health and metrics are served by default.
    public var bindAddress: IPAddress?
    public var healthz: BindSetting?
    public var metrics: BindSetting?
    public var metricsPerBackend: Bool?
    public var recordsEvents: Bool?
    public var syncPeriod: Duration?
    public var oomScoreAdjustment: Int?
    public var logLevel: Logger.Level?
    public var logFormat: LogFormat?
    public var withoutEffect: [WithoutEffect] = []

    public init() {}

    /// Adds gates; those that swiftlet does not have are remembered as without effect.
    public mutating func set(gates: [String: Bool]) {
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
    public mutating func apply(_ layer: ConfigurationLayer) throws(ConfigurationError) {
        try applySource(layer)
        applyNode(layer)
        applyAddresses(layer)
        kubeProxyReplacement = layer.kubeProxyReplacement ?? kubeProxyReplacement
        if let directory = layer.stateDirectory { stateDirectory = directory.isEmpty ? nil : FilePath(directory) }
        cgroupRoot = layer.cgroupRoot.map { FilePath($0) } ?? cgroupRoot
        bpfRoot = layer.bpfRoot.map { FilePath($0) } ?? bpfRoot
        bindProtection = layer.bindProtection ?? bindProtection
        sockets = layer.sockets ?? sockets
        socketDestroy.apply(layer)
        packets.apply(layer)
        maxServices = layer.maxServices ?? maxServices
        maxBackends = layer.maxBackends ?? maxBackends
        maxSlots = layer.maxSlots ?? maxSlots
        maxSourceRanges = layer.maxSourceRanges ?? maxSourceRanges
        mapMemoryLimit = layer.mapMemoryLimit ?? mapMemoryLimit
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
public enum FeatureGate {
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
