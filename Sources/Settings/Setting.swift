import KubernetesObjects
import Logging
import ManifestDirectory
import NameServer
import NodeNetwork
import Observability
import ServiceModel
import SystemPackage

/// A setting: what it is called in each place, which part of the configuration it is, and how it is read and written.
///
/// `all` is the table of them. What is left to be said elsewhere is the flag's help, and the row in docs/reference.md.
struct Setting: Sendable {
    /// Where a setting stands in a `KubeProxyConfiguration`.
    enum Home: Sendable {
        /// Below `swiftlet`, by its key.
        case own
        /// At one of these paths: the first that says something counts, and the first is where it is written.
        case fields([String])
        /// The same, but what counts has a rule of its own (`readKubeProxyConfiguration`).
        case ruled([String])
        /// Below `swiftlet`, by its key; these say it in other words, by a rule of their own.
        case translated([String])

        var paths: [String] {
            switch self {
            case .own: []
            case .fields(let paths), .ruled(let paths), .translated(let paths): paths
            }
        }
    }

    /// In swiftlet's own file; of several the last one counts.
    let keys: [String]
    /// Without its dashes.
    let flag: String
    let home: Home
    /// Its flag may stand alone, and then means true.
    let isBoolean: Bool
    /// Reads what a section has by this name; nil if it says nothing.
    let read: @Sendable (SettingsSection, String) -> ConfigurationLayer.Edit?
    /// Nil: it is left out.
    let write: @Sendable (Configuration) -> SettingValue?

    fileprivate init<Value: Sendable>(
        _ keys: String..., flag: String, home: Home = .own,
        _ place: any WritableKeyPath<Configuration, Value> & Sendable, _ form: SettingForm<Value>
    ) {
        self.keys = keys
        self.flag = flag
        self.home = home
        isBoolean = Value.self == Bool.self
        read = { section, name in
            guard let value = form.read(section, name) else { return nil }
            return { $0[keyPath: place] = value }
        }
        write = { form.write($0[keyPath: place]) }
    }

    private init(gates home: Home) {
        keys = ["featureGates"]
        flag = "feature-gates"
        self.home = home
        isBoolean = false
        read = { section, name in
            guard let gates = section.section(name) else { return nil }
            let pairs = gates.keys.compactMap { name in gates.flag(name).map { (name, $0) } }
            return ConfigurationLayer.edit(gates: Dictionary(pairs) { $1 })
        }
        write = { .map($0.featureGates.mapValues { .flag($0) }) }
    }

    /// Where it is written.
    var path: String {
        switch home {
        case .fields(let paths), .ruled(let paths): paths[0]
        case .own, .translated: "\(KubeProxyFields.ownSection).\(keys[0])"
        }
    }

    static let keys: [String] = all.flatMap(\.keys)
    static let featureGates = Setting(gates: .ruled(["featureGates"]))

    static let all: [Setting] = source + node + datapath + packets + timeouts + sizes + names + process

    private static let source: [Setting] = [
        Setting("kubeProxyReplacement", flag: "kube-proxy-replacement", \.kubeProxyReplacement, .flag),
        Setting("manifests", flag: "manifests", \.manifests, .texts),
        Setting(
            "kubeconfig", flag: "kubeconfig", home: .fields(["clientConnection.kubeconfig"]), \.cluster.kubeconfig,
            .file),
        Setting("context", flag: "context", \.cluster.context, .optionalText),
        Setting("apiServers", flag: "apiserver", \.cluster.apiServers, .list(checkedAPIServers) { $0 }),
        Setting("stateDir", flag: "state-dir", \.stateDirectory, .directory),
    ]

    private static let node: [Setting] = [
        Setting(
            "hostnameOverride", "nodeName", flag: "hostname-override", home: .fields(["hostnameOverride"]),
            \.node.name, .text(nodeName(setting:)) { $0 }),
        Setting("serviceProxyName", flag: "service-proxy-name", \.node.proxyName, .name),
        Setting(
            "nodePortAddresses", flag: "nodeport-addresses", home: .ruled(["nodePortAddresses"]), \.node.nodePorts,
            .list(NodePortAddresses.init(settings:)) { $0.settings }),
        Setting(
            "clusterCIDR", flag: "cluster-cidr", home: .ruled(["clusterCIDR", "detectLocal.clusterCIDRs"]),
            \.node.localTraffic.clusterCIDRs, .ranges),
        Setting(
            "detectLocalMode", flag: "detect-local-mode", home: .fields(["detectLocalMode"]),
            \.node.localTraffic.mode, .word(LocalTrafficMode.init(setting:))),
        Setting(
            "podBridgeInterface", flag: "pod-bridge-interface", home: .fields(["detectLocal.bridgeInterface"]),
            \.node.localTraffic.bridgeInterface, .text),
        Setting(
            "podInterfaceNamePrefix", flag: "pod-interface-name-prefix",
            home: .fields(["detectLocal.interfaceNamePrefix"]), \.node.localTraffic.interfaceNamePrefix, .text),
        Setting(
            "masqueradeAll", flag: "masquerade-all",
            home: .ruled(["nftables.masqueradeAll", "iptables.masqueradeAll", "linux.masqueradeAll"]),
            \.node.masqueradesAll, .flag),
        featureGates,
    ]

    private static let datapath: [Setting] = [
        Setting("cgroupRoot", flag: "cgroup-root", \.cgroupRoot, .optionalPath),
        Setting("bpfRoot", flag: "bpf-root", \.bpfRoot, .path),
        Setting("bindProtection", flag: "bind-protection", \.bindProtection, .flag),
        Setting("socketLB", flag: "socket-lb", \.sockets, .word(SocketService.init(setting:))),
        Setting(
            "socketLBExcludeCgroups", flag: "socket-lb-exclude-cgroups", \.leftCgroups,
            .list(cgroups) { $0.map(\.description) }),
        Setting(
            "socketDestroy", flag: "socket-destroy", \.socketDestroy.whose, .word(SocketService.init(destroying:))),
        Setting(
            "socketDestroyRate", flag: "socket-destroy-rate", \.socketDestroy.perSecond,
            .number(SocketDestroySettings.rate(setting:))),
        Setting(
            "socketDestroyBy", flag: "socket-destroy-by", \.socketDestroy.by, .word(SocketDestroyBy.init(setting:))),
    ]

    private static let packets: [Setting] = [
        Setting(
            "devices", flag: "devices", \.packets.devices, .list(DeviceChoice.init(settings:)) { $0.settings }),
        Setting(
            "podInterfaces", flag: "pod-interfaces", \.packets.podInterfaces,
            .list(podInterfaces) { $0.settings }),
        Setting("forwarding", flag: "forwarding", \.packets.forwarding, .word(ForwardingChoice.init(setting:))),
        Setting(
            "masqueradePorts", flag: "masquerade-ports", \.packets.masqueradePorts,
            .text(PortRange.masqueradePorts(setting:)) { $0.isEmpty ? "auto" : joined($0) }),
        Setting(
            "serviceNodePortRange", flag: "service-node-port-range", \.packets.nodePortRange,
            .text(PortRange.init(setting:)) { $0.description }),
        Setting("externalClusterIP", flag: "external-cluster-ip", \.packets.servesClusterIPsOutside, .flag),
        Setting("serviceCIDR", flag: "service-cidr", \.packets.serviceCIDRs, .ranges),
        Setting("setSysctls", flag: "set-sysctls", \.packets.setsSysctls, .flag),
    ]

    private static let timeouts: [Setting] = [
        Setting(
            "conntrackTCPTimeoutEstablished", flag: "conntrack-tcp-timeout-established",
            home: conntrack("tcpEstablishedTimeout"), \.packets.timeouts.tcpEstablished, .span),
        Setting(
            "conntrackTCPTimeoutCloseWait", flag: "conntrack-tcp-timeout-close-wait",
            home: conntrack("tcpCloseWaitTimeout"), \.packets.timeouts.tcpCloseWait, .span),
        Setting(
            "conntrackUDPTimeout", flag: "conntrack-udp-timeout", home: conntrack("udpTimeout"),
            \.packets.timeouts.udp, .span),
        Setting(
            "conntrackUDPTimeoutStream", flag: "conntrack-udp-timeout-stream", home: conntrack("udpStreamTimeout"),
            \.packets.timeouts.udpStream, .span),
        Setting(
            "bpfCTTimeoutRegularTCPSYN", flag: "bpf-ct-timeout-regular-tcp-syn", \.packets.timeouts.tcpSYN, .span),
        Setting(
            "bpfCTTimeoutRegularTCPFIN", flag: "bpf-ct-timeout-regular-tcp-fin", \.packets.timeouts.tcpFIN, .span),
        Setting("bpfCTTimeoutRegularAny", flag: "bpf-ct-timeout-regular-any", \.packets.timeouts.any, .span),
    ]

    private static let sizes: [Setting] = [
        Setting("maxServices", flag: "max-services", \.mapSizes.services, .number(MapSizeSettings.entries)),
        Setting("maxBackends", flag: "max-backends", \.mapSizes.backends, .number(MapSizeSettings.entries)),
        Setting("maxSlots", flag: "max-slots", \.mapSizes.slots, .number(MapSizeSettings.entries)),
        Setting(
            "maxSourceRanges", flag: "max-source-ranges", \.mapSizes.sourceRanges, .number(MapSizeSettings.entries)),
        Setting("maxFlows", flag: "max-flows", \.mapSizes.flows, .number(MapSizeSettings.flows)),
        Setting("mapMemoryLimit", flag: "map-memory-limit", \.mapSizes.memoryLimit, .count),
    ]

    private static let names: [Setting] = [
        Setting(
            "dnsBind", flag: "dns-bind", \.names.bind,
            .list(NameServerSettings.Address.binds(settings:)) { $0.map(\.description) }),
        Setting(
            "dnsServiceIP", flag: "dns-service-ip", \.names.serviceIPs, .text(serviceIPs(setting:)) { joined($0) }),
        Setting("clusterDomain", flag: "cluster-domain", \.names.domain, .text(clusterDomain(setting:)) { $0 }),
        Setting("dnsTTL", flag: "dns-ttl", \.names.timeToLive, .text(dnsTimeToLive(setting:)) { "\($0)s" }),
        Setting(
            "dnsUpstream", flag: "dns-upstream", \.names.upstream,
            .list(NameSettings.upstream(settings:), NameSettings.upstreamTexts)),
        Setting("dnsAllow", flag: "dns-allow", \.names.allowed, .ranges),
    ]

    private static let process: [Setting] = [
        Setting(
            "healthzBindAddress", flag: "healthz-bind-address", home: .fields(["healthzBindAddress"]),
            \.healthzAddress, bind(.healthz)),
        Setting(
            "metricsBindAddress", flag: "metrics-bind-address", home: .fields(["metricsBindAddress"]),
            \.metricsAddress, bind(.metrics)),
        Setting("metricsPerBackend", flag: "metrics-per-backend", \.metricsPerBackend, .flag),
        Setting("eventRecording", flag: "event-recording", \.recordsEvents, .flag),
        Setting(
            "syncPeriod", flag: "sync-period",
            home: .ruled(["nftables.syncPeriod", "iptables.syncPeriod", "ipvs.syncPeriod", "syncPeriod"]), \.syncPeriod,
            .span),
        Setting(
            "oomScoreAdj", flag: "oom-score-adj", home: .ruled(["oomScoreAdj", "linux.oomScoreAdj"]),
            \.oomScoreAdjustment, .number(oomScoreAdjustment(setting:))),
        Setting(
            "logLevel", flag: "log-level", home: .translated(["logging.verbosity"]), \.logLevel,
            .word(Logger.Level.init(setting:))),
        Setting(
            "logFormat", flag: "log-format", home: .fields(["logging.format"]), \.logFormat,
            .word(LogFormat.init(setting:))),
    ]

    /// The next version of the API has the section below `linux`.
    private static func conntrack(_ field: String) -> Home {
        .fields(["conntrack.\(field)", "linux.conntrack.\(field)"])
    }

    private static func bind(_ place: BindPlace) -> SettingForm<ListenAddress?> {
        .text({ (text) throws(SettingMistake) in try BindSetting(text, for: place).address }) { BindSetting($0).text }
    }

    private static func cgroups(_ texts: [String]) throws(SettingMistake) -> [CgroupPattern] {
        try CgroupPattern.list(setting: texts.joined(separator: ","))
    }

    private static func podInterfaces(_ texts: [String]) throws(SettingMistake) -> PodInterfaceChoice {
        try PodInterfaceChoice(settings: texts, flag: "podInterfaces")
    }

    private static func checkedAPIServers(_ texts: [String]) throws(SettingMistake) -> [String] {
        for text in texts { try checkAPIServer(setting: text) }
        return texts
    }
}
