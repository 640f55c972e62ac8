import ArgumentParser
import DatapathInstall
import Logging
import NodeNetwork
import ServiceModel
import Settings
import SystemPackage

/// Where Services come from.
struct SourceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Directory of Kubernetes manifests to serve; may be repeated.", valueName: "dir"),
        completion: .directory)
    var manifests: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @Option(
        help: ArgumentHelp(
            "Directory for the last known state (default: \(Configuration.defaultStateDirectory); empty: none).",
            valueName: "dir"), completion: .directory)
    var stateDir: String?

    func fill(_ layer: inout ConfigurationLayer) {
        layer.set(\.manifests, manifests.isEmpty ? nil : manifests)
        cluster.fill(&layer)
        layer.set(\.stateDirectory, stateDir.map { $0.isEmpty ? nil : FilePath($0) })
    }
}

/// How to reach a cluster.
struct ClusterOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Take the cluster of this kubeconfig (default: in a pod, its own one).", valueName: "file"),
        completion: .file())
    var kubeconfig: String?

    @Option(help: ArgumentHelp("Context of the kubeconfig (default: the current one).", valueName: "name"))
    var context: String?

    @Option(
        name: [.customLong("apiserver"), .customLong("master")],
        help: ArgumentHelp(
            "API server instead of the kubeconfig's; may be repeated, the first that answers is taken.",
            valueName: "url"),
        transform: { url in
            try checkAPIServer(setting: url)
            return url
        })
    var apiServers: [String] = []

    func fill(_ layer: inout ConfigurationLayer) {
        layer.set(\.cluster.kubeconfig, kubeconfig.map { FilePath($0) })
        layer.set(\.cluster.context, context)
        layer.set(\.cluster.apiServers, apiServers.isEmpty ? nil : apiServers)
    }
}

/// The datapath of this node.
struct DatapathOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "true: translate Services. false: observe, and program nothing (default: false).", valueName: "true|false"),
        completion: .truth)
    var kubeProxyReplacement: Bool?

    @Option(
        help: ArgumentHelp("cgroup2 directory whose processes are served (default: the root).", valueName: "dir"),
        completion: .directory)
    var cgroupRoot: String?

    @Option(
        help: ArgumentHelp(
            "Directory on bpffs for maps and links (default: \(Configuration.defaultBPFRoot)).", valueName: "dir"),
        completion: .directory)
    var bpfRoot: String?

    @Option(
        help: ArgumentHelp(
            "Refuse listeners on a NodePort of ours with EADDRINUSE (default: true).", valueName: "true|false"),
        completion: .truth)
    var bindProtection: Bool?

    @Option(
        name: .customLong("socket-lb"),
        help: ArgumentHelp(
            "Whose sockets are served: full, tcp or udp (those of one protocol), host (the node's own) or off; what they leave is "
                + "left to packets (default: full).",
            valueName: "whose"), completion: .values(of: SocketService.self),
        transform: SocketService.init(setting:))
    var socketLB: SocketService?

    @Option(
        name: .customLong("socket-lb-exclude-cgroups"),
        help: ArgumentHelp(
            "cgroups, below the one that is served, whose processes' sockets are left to packets: patterns like "
                + "kubepods*/**/pod0b5e*,system.slice/envoy* (default: none).",
            valueName: "pattern,…"),
        transform: CgroupPattern.list(setting:))
    var socketLBExcludeCgroups: [CgroupPattern]?

    @OptionGroup var socketDestroy: SocketDestroyOptions

    @Option(
        help: ArgumentHelp(
            "Devices towards the network whose packets are translated: auto (those with a node address or a default "
                + "route, and those that lead to endpoints elsewhere), none, or patterns like eth*,!eth9; may be "
                + "repeated (default: auto).",
            valueName: "which"))
    var devices: [String] = []

    @Option(
        help: ArgumentHelp(
            "The node's side of devices of pods whose packets are translated: patterns like veth*, or auto (those that "
                + "lead to endpoints of this node); may be repeated.",
            valueName: "which"))
    var podInterfaces: [String] = []

    @Option(
        help: ArgumentHelp(
            "How packets go on: stack (the kernel routes them, with netfilter and IPsec) or redirect (sent on at once, "
                + "past these; default: stack).",
            valueName: "how"), completion: .values(of: ForwardingChoice.self),
        transform: ForwardingChoice.init(setting:))
    var forwarding: ForwardingChoice?

    @Option(
        help: ArgumentHelp(
            "Ports for flows that get the node's address, at most four ranges (default: auto, what neither "
                + "net.ipv4.ip_local_port_range nor NodePorts use).",
            valueName: "first-last,…"),
        transform: PortRange.masqueradePorts(setting:))
    var masqueradePorts: [PortRange]?

    @Option(
        help: ArgumentHelp(
            "Where Services get NodePorts from, as the API server was told (default: 30000-32767).",
            valueName: "first-last"),
        transform: PortRange.init(setting:))
    var serviceNodePortRange: PortRange?

    @Option(
        name: .customLong("external-cluster-ip"),
        help: ArgumentHelp("ClusterIPs serve clients outside the node, too (default: true).", valueName: "true|false"),
        completion: .truth)
    var externalClusterIP: Bool?

    @Option(
        name: .customLong("service-cidr"),
        help: ArgumentHelp(
            "Ranges of ClusterIPs: packets to an address there that no Service has are dropped.", valueName: "cidr,…"),
        transform: CIDR.list(setting:))
    var serviceCIDRs: [CIDR]?

    @Option(
        help: ArgumentHelp(
            "Change the kernel's settings that are in the way of forwarding (default: false).", valueName: "true|false"),
        completion: .truth)
    var setSysctls: Bool?

    @Option(
        help: ArgumentHelp(
            "Frontends per IP family that the maps have room for: one for each port of each address of a Service.",
            valueName: "n"),
        transform: MapSizeSettings.entries(setting:))
    var maxServices: UInt32?

    @Option(
        help: ArgumentHelp("Backends per IP family that the maps have room for.", valueName: "n"),
        transform: MapSizeSettings.entries(setting:))
    var maxBackends: UInt32?

    @Option(
        help: ArgumentHelp("Slots per IP family that the maps have room for.", valueName: "n"),
        transform: MapSizeSettings.entries(setting:))
    var maxSlots: UInt32?

    @Option(
        help: ArgumentHelp(
            "Ranges of loadBalancerSourceRanges per IP family that the maps have room for.", valueName: "n"),
        transform: MapSizeSettings.entries(setting:))
    var maxSourceRanges: UInt32?

    @Option(
        help: ArgumentHelp(
            "Flows per IP family that are translated packet by packet; 0: one for each 64 KiB of memory, 8,192 to "
                + "262,144 (the default).",
            valueName: "n"),
        transform: MapSizeSettings.flows(setting:))
    var maxFlows: UInt32?

    @Option(
        help: ArgumentHelp(
            "Kernel memory in MiB up to which the maps grow by themselves; 0: they do not.", valueName: "mib"))
    var mapMemoryLimit: UInt32?

    func fill(_ layer: inout ConfigurationLayer) throws {
        layer.set(\.kubeProxyReplacement, kubeProxyReplacement)
        layer.set(\.cgroupRoot, cgroupRoot.map { FilePath($0) })
        layer.set(\.bpfRoot, bpfRoot.map { FilePath($0) })
        layer.set(\.bindProtection, bindProtection)
        layer.set(\.mapSizes.services, maxServices)
        layer.set(\.mapSizes.backends, maxBackends)
        layer.set(\.mapSizes.slots, maxSlots)
        layer.set(\.mapSizes.sourceRanges, maxSourceRanges)
        layer.set(\.mapSizes.flows, maxFlows)
        layer.set(\.mapSizes.memoryLimit, mapMemoryLimit)
        layer.set(\.sockets, socketLB)
        layer.set(\.leftCgroups, socketLBExcludeCgroups)
        socketDestroy.fill(&layer)
        do {
            if !devices.isEmpty { layer.set(\.packets.devices, try DeviceChoice(settings: devices)) }
            if !podInterfaces.isEmpty {
                let choice = try PodInterfaceChoice(settings: podInterfaces, flag: "--pod-interfaces")
                layer.set(\.packets.podInterfaces, choice)
            }
        } catch {
            throw ValidationError("\(error)")
        }
        layer.set(\.packets.forwarding, forwarding)
        layer.set(\.packets.masqueradePorts, masqueradePorts)
        layer.set(\.packets.nodePortRange, serviceNodePortRange)
        layer.set(\.packets.servesClusterIPsOutside, externalClusterIP)
        layer.set(\.packets.serviceCIDRs, serviceCIDRs)
        layer.set(\.packets.setsSysctls, setSysctls)
    }
}

/// What can be seen of the process.
struct ObservationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Count the connections of each backend (default: false).", valueName: "true|false"),
        completion: .truth)
    var metricsPerBackend: Bool?

    @Option(
        help: ArgumentHelp("Write conflicts as Events to the API server (default: true).", valueName: "true|false"),
        completion: .truth)
    var eventRecording: Bool?

    @Option(
        help: "trace, debug, info, notice, warning, error or critical (default: info).",
        completion: .values(of: Logger.Level.self),
        transform: Logger.Level.init(setting:))
    var logLevel: Logger.Level?

    @Option(
        name: [.customLong("log-format"), .customLong("logging-format")], help: "text or json (default: text).",
        completion: .values(of: LogFormat.self),
        transform: LogFormat.init(setting:))
    var logFormat: LogFormat?

    func fill(_ layer: inout ConfigurationLayer) {
        layer.set(\.metricsPerBackend, metricsPerBackend)
        layer.set(\.recordsEvents, eventRecording)
        layer.set(\.logLevel, logLevel)
        layer.set(\.logFormat, logFormat)
    }
}

/// Flags of kube-proxy that choose for the node; `swiftlet compile` has the same.
struct NodeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Addresses that serve NodePorts: primary, localhost, all, or CIDRs, separated by commas (default: primary).",
            valueName: "which"),
        transform: { words in
            _ = try NodePortAddresses(settings: [words])
            return words
        })
    var nodeportAddresses: [String] = []

    @Option(
        help: ArgumentHelp(
            "Serve only Services whose label service.kubernetes.io/service-proxy-name has this value.",
            valueName: "name"))
    var serviceProxyName: String?

    @Option(
        help: ArgumentHelp(
            "Ranges of the cluster's pods, separated by commas: others are masqueraded on the way to a ClusterIP.",
            valueName: "cidrs"),
        transform: CIDR.list(setting:))
    var clusterCIDR: [CIDR]?

    @Option(
        help: ArgumentHelp(
            "How pod traffic is recognised: ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix "
                + "(default: ClusterCIDR).",
            valueName: "mode"), completion: .values(of: LocalTrafficMode.self),
        transform: LocalTrafficMode.init(setting:))
    var detectLocalMode: LocalTrafficMode?

    @Option(help: ArgumentHelp("Bridge of the pods, for BridgeInterface.", valueName: "name"))
    var podBridgeInterface: String?

    @Option(help: ArgumentHelp("How names of pods' devices begin, for InterfaceNamePrefix.", valueName: "prefix"))
    var podInterfaceNamePrefix: String?

    @Option(
        help: ArgumentHelp("Masquerade everything that goes to a ClusterIP (default: false).", valueName: "true|false"),
        completion: .truth)
    var masqueradeAll: Bool?

    @Option(
        help: ArgumentHelp(
            "Feature gates, separated by commas; AllowServiceExternalIPs=false leaves external IPs alone.",
            valueName: "gate=bool"),
        transform: Settings.featureGates(setting:))
    var featureGates: [[String: Bool]] = []

    func fill(_ layer: inout ConfigurationLayer) throws {
        if !nodeportAddresses.isEmpty {
            layer.set(\.node.nodePorts, try NodePortAddresses(settings: nodeportAddresses))
        }
        layer.set(\.node.proxyName, serviceProxyName.map { $0.isEmpty ? nil : $0 })
        layer.set(\.node.localTraffic.clusterCIDRs, clusterCIDR)
        layer.set(\.node.localTraffic.mode, detectLocalMode)
        layer.set(\.node.localTraffic.bridgeInterface, podBridgeInterface)
        layer.set(\.node.localTraffic.interfaceNamePrefix, podInterfaceNamePrefix)
        layer.set(\.node.masqueradesAll, masqueradeAll)
        for gates in featureGates { layer.set(gates: gates) }
    }
}

/// Flags of kube-proxy that concern the process.
struct KubeProxyOptions: ParsableArguments {
    @Option(
        name: [.customLong("hostname-override"), .customLong("node-name")],
        help: ArgumentHelp("Name of this node's Node object (default: the host's name).", valueName: "name"),
        transform: Settings.nodeName(setting:))
    var nodeName: String?

    @Option(
        help: ArgumentHelp(
            "Where /healthz and /livez are served (default: 0.0.0.0:10256; none: nowhere).", valueName: "ip:port"),
        transform: { try BindSetting($0, for: .healthz) })
    var healthzBindAddress: BindSetting?

    @Option(
        help: ArgumentHelp(
            "Where /metrics and /configz are served (default: 127.0.0.1:10249; none: nowhere).",
            valueName: "ip:port"),
        transform: { try BindSetting($0, for: .metrics) })
    var metricsBindAddress: BindSetting?

    @Option(
        help: ArgumentHelp("An IPv6 address makes the defaults of these two [::] and [::1].", valueName: "ip"),
        transform: IPAddress.init(setting:))
    var bindAddress: IPAddress?

    @Option(help: .hidden)
    var healthzPort: UInt16?

    @Option(help: .hidden)
    var metricsPort: UInt16?

    @Option(
        help: ArgumentHelp(
            "/healthz answers 503 when an update has waited for twice this span (default: 30s).", valueName: "span"),
        transform: Duration.init(positiveGoSetting:))
    var syncPeriod: Duration?

    @Option(
        help: ArgumentHelp("The kernel's oom_score_adj for this process (default: -999).", valueName: "n"),
        transform: Settings.oomScoreAdjustment(setting:))
    var oomScoreAdj: Int?

    @Option(name: .customLong("v"), help: ArgumentHelp("Verbosity: 4 is debug, 6 is trace.", valueName: "n"))
    var verbosity: UInt32?

    func fill(_ layer: inout ConfigurationLayer) {
        layer.set(\.node.name, nodeName)
        layer.set(bindAddress: bindAddress)
        let healthz = healthzBindAddress ?? healthzPort.map { BindSetting(port: $0, for: .healthz) }
        layer.set(\.healthzAddress, healthz.map(\.address))
        let metrics = metricsBindAddress ?? metricsPort.map { BindSetting(port: $0, for: .metrics) }
        layer.set(\.metricsAddress, metrics.map(\.address))
        layer.set(\.syncPeriod, syncPeriod)
        layer.set(\.oomScoreAdjustment, oomScoreAdj)
        layer.set(\.logLevel, verbosity.map { Logger.Level(verbosity: $0) })
    }
}

/// Flags of kube-proxy that change nothing; `KubeProxyArguments` collects them here by name.
struct WithoutEffectOptions: ParsableArguments {
    @Option(
        name: .customLong(KubeProxyArguments.withoutEffect),
        help: ArgumentHelp(
            "A flag of kube-proxy that changes nothing here. Each may be written as itself, with a value:",
            discussion: WithoutEffect.flagsText, valueName: "flag"),
        transform: { name in
            guard let flag = WithoutEffect(flag: name) else { throw ValidationError("this is none of these flags") }
            return flag
        })
    var flags: [WithoutEffect] = []
}
