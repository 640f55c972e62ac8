import KubernetesObjects
import Logging
import ManifestDirectory
import NameServer
import NodeNetwork
import ServiceModel

/// The keys of swiftlet's own configuration file, which is YAML: the flags of `run` in camel case.
enum ConfigurationKey: String, CaseIterable {
    case kubeProxyReplacement, manifests, kubeconfig, context, apiServers, stateDir
    case hostnameOverride, nodeName, serviceProxyName, nodePortAddresses
    case clusterCIDR, detectLocalMode, podBridgeInterface, podInterfaceNamePrefix, masqueradeAll
    case cgroupRoot, bpfRoot, bindProtection
    case maxServices, maxBackends, maxSlots, maxSourceRanges, maxFlows, mapMemoryLimit
    case socketDestroy, socketDestroyRate, socketDestroyBy
    case socketLB, socketLBExcludeCgroups, devices, podInterfaces, externalClusterIP, serviceCIDR, setSysctls
    case forwarding, masqueradePorts, serviceNodePortRange
    case conntrackTCPTimeoutEstablished, conntrackTCPTimeoutCloseWait, conntrackUDPTimeout, conntrackUDPTimeoutStream
    case bpfCTTimeoutRegularTCPSYN, bpfCTTimeoutRegularTCPFIN, bpfCTTimeoutRegularAny
    case dnsBind, dnsServiceIP, clusterDomain, dnsTTL, dnsUpstream, dnsAllow
    case healthzBindAddress, metricsBindAddress, metricsPerBackend, eventRecording
    case syncPeriod, oomScoreAdj, featureGates, logLevel, logFormat
}

extension ConfigurationLayer {
    /// Reads a file: swiftlet's own, or a `KubeProxyConfiguration`. A key that is not known is an error, so that a
    /// typing mistake is not silent.
    package init(file path: String) throws(ConfigurationError) {
        let file: SettingsFile
        do throws(ManifestSourceError) {
            file = try SettingsFile(path)
        } catch {
            throw ConfigurationError("\(error)")
        }
        self.init()
        func refused(_ mistake: String) -> ConfigurationError {
            ConfigurationError("cannot read configuration \(path): \(mistake.oneLine(atMost: 1_500))")
        }
        do throws(ConfigurationError) {
            if file.settings.keys.contains("kind") || file.settings.keys.contains("apiVersion") {
                try readKubeProxyConfiguration(file.settings)
            } else {
                try readOwn(file.settings)
            }
        } catch {
            throw refused("\(error)")
        }
        if let mistake = file.mistakes.first { throw refused(mistake) }
    }

    /// Reads swiftlet's own keys, which a `KubeProxyConfiguration` may have in its section `swiftlet`.
    mutating func readOwn(_ settings: SettingsSection) throws(ConfigurationError) {
        let known = ConfigurationKey.allCases.map(\.rawValue)
        for key in settings.keys where !known.contains(key) {
            let advice =
                known.nearest(to: key).map { "did you mean \($0)?" }
                ?? "known are \(known.sorted().joined(separator: ", "))"
            throw ConfigurationError("unknown key \"\(key)\"; \(advice)")
        }
        readSource(settings)
        readNode(settings)
        readDatapath(settings)
        readNames(settings)
        readObservability(settings)
    }

    private mutating func readSource(_ settings: SettingsSection) {
        manifests = settings.texts(.manifests) ?? manifests
        kubeconfig = settings.text(.kubeconfig) ?? kubeconfig
        context = settings.text(.context) ?? context
        apiServers =
            settings.parsedList(.apiServers) { (texts) throws(SettingMistake) in
                for text in texts { try checkAPIServer(setting: text) }
                return texts
            } ?? apiServers
        stateDirectory = settings.text(.stateDir) ?? stateDirectory
    }

    private mutating func readNode(_ settings: SettingsSection) {
        for key in [ConfigurationKey.hostnameOverride, .nodeName] {
            nodeName = settings.parsed(key, Settings.nodeName(setting:)) ?? nodeName
        }
        proxyName = settings.text(.serviceProxyName) ?? proxyName
        nodePorts = settings.parsedList(.nodePortAddresses, NodePortAddresses.init(settings:)) ?? nodePorts
        clusterCIDRs = settings.parsed(.clusterCIDR, CIDR.list(setting:)) ?? clusterCIDRs
        localTrafficMode = settings.parsed(.detectLocalMode, LocalTrafficMode.init(setting:)) ?? localTrafficMode
        bridgeInterface = settings.text(.podBridgeInterface) ?? bridgeInterface
        interfaceNamePrefix = settings.text(.podInterfaceNamePrefix) ?? interfaceNamePrefix
        masqueradesAll = settings.flag(.masqueradeAll) ?? masqueradesAll
        readGates(settings.section(.featureGates))
    }

    mutating func readGates(_ gates: SettingsSection?) {
        guard let gates else { return }
        for name in gates.keys {
            if let value = gates.flag(name) { set(gates: [name: value]) }
        }
    }

    private mutating func readDatapath(_ settings: SettingsSection) {
        kubeProxyReplacement = settings.flag(.kubeProxyReplacement) ?? kubeProxyReplacement
        cgroupRoot = settings.text(.cgroupRoot) ?? cgroupRoot
        bpfRoot = settings.text(.bpfRoot) ?? bpfRoot
        bindProtection = settings.flag(.bindProtection) ?? bindProtection
        mapSizes.services = settings.parsed(.maxServices, MapSizeSettings.entries) ?? mapSizes.services
        mapSizes.backends = settings.parsed(.maxBackends, MapSizeSettings.entries) ?? mapSizes.backends
        mapSizes.slots = settings.parsed(.maxSlots, MapSizeSettings.entries) ?? mapSizes.slots
        mapSizes.sourceRanges = settings.parsed(.maxSourceRanges, MapSizeSettings.entries) ?? mapSizes.sourceRanges
        mapSizes.flows = settings.parsed(.maxFlows, MapSizeSettings.flows) ?? mapSizes.flows
        mapSizes.memoryLimit = settings.count(.mapMemoryLimit) ?? mapSizes.memoryLimit
        readPackets(settings)
    }

    private mutating func readPackets(_ settings: SettingsSection) {
        sockets = settings.parsed(.socketLB, SocketService.init(setting:)) ?? sockets
        leftCgroups =
            settings.parsedList(.socketLBExcludeCgroups) { (texts) throws(SettingMistake) in
                try CgroupPattern.list(setting: texts.joined(separator: ","))
            } ?? leftCgroups
        socketDestroy = settings.parsed(.socketDestroy, SocketService.init(destroying:)) ?? socketDestroy
        socketDestroyRate =
            settings.parsed(.socketDestroyRate, SocketDestroySettings.rate(setting:)) ?? socketDestroyRate
        socketDestroyBy = settings.parsed(.socketDestroyBy, SocketDestroyBy.init(setting:)) ?? socketDestroyBy
        devices = settings.parsedList(.devices, DeviceChoice.init(settings:)) ?? devices
        podInterfaces =
            settings.parsedList(.podInterfaces) { texts throws(SettingMistake) in
                try PodInterfaceChoice(settings: texts, flag: "podInterfaces")
            } ?? podInterfaces
        servesClusterIPsOutside = settings.flag(.externalClusterIP) ?? servesClusterIPsOutside
        serviceCIDRs = settings.parsed(.serviceCIDR, CIDR.list(setting:)) ?? serviceCIDRs
        setsSysctls = settings.flag(.setSysctls) ?? setsSysctls
        forwarding = settings.parsed(.forwarding, ForwardingChoice.init(setting:)) ?? forwarding
        masqueradePorts = settings.parsed(.masqueradePorts, PortRange.masqueradePorts(setting:)) ?? masqueradePorts
        nodePortRange = settings.parsed(.serviceNodePortRange, PortRange.init(setting:)) ?? nodePortRange
        readTimeouts(settings)
    }

    private mutating func readTimeouts(_ settings: SettingsSection) {
        func read(_ key: ConfigurationKey, into span: inout Duration?) {
            span = settings.parsed(key, Duration.init(positiveGoSetting:)) ?? span
        }
        read(.conntrackTCPTimeoutEstablished, into: &timeouts.tcpEstablished)
        read(.conntrackTCPTimeoutCloseWait, into: &timeouts.tcpCloseWait)
        read(.conntrackUDPTimeout, into: &timeouts.udp)
        read(.conntrackUDPTimeoutStream, into: &timeouts.udpStream)
        read(.bpfCTTimeoutRegularTCPSYN, into: &timeouts.tcpSYN)
        read(.bpfCTTimeoutRegularTCPFIN, into: &timeouts.tcpFIN)
        read(.bpfCTTimeoutRegularAny, into: &timeouts.any)
    }

    private mutating func readNames(_ settings: SettingsSection) {
        names.bind = settings.parsedList(.dnsBind, NameServerSettings.Address.binds(settings:)) ?? names.bind
        names.serviceIPs = settings.parsed(.dnsServiceIP, Settings.serviceIPs(setting:)) ?? names.serviceIPs
        names.domain = settings.parsed(.clusterDomain, Settings.clusterDomain(setting:)) ?? names.domain
        names.timeToLive = settings.parsed(.dnsTTL, Settings.dnsTimeToLive(setting:)) ?? names.timeToLive
        names.upstream = settings.parsedList(.dnsUpstream, NameSettings.Upstream.init(settings:)) ?? names.upstream
        names.allowed = settings.parsed(.dnsAllow, CIDR.list(setting:)) ?? names.allowed
    }

    private mutating func readObservability(_ settings: SettingsSection) {
        healthz = settings.bindSetting(ConfigurationKey.healthzBindAddress.rawValue, for: .healthz) ?? healthz
        metrics = settings.bindSetting(ConfigurationKey.metricsBindAddress.rawValue, for: .metrics) ?? metrics
        metricsPerBackend = settings.flag(.metricsPerBackend) ?? metricsPerBackend
        recordsEvents = settings.flag(.eventRecording) ?? recordsEvents
        syncPeriod = settings.parsed(.syncPeriod, Duration.init(positiveGoSetting:)) ?? syncPeriod
        oomScoreAdjustment =
            settings.parsed(.oomScoreAdj, Settings.oomScoreAdjustment(setting:)) ?? oomScoreAdjustment
        logLevel = settings.parsed(.logLevel, Logger.Level.init(setting:)) ?? logLevel
        logFormat = settings.parsed(.logFormat, LogFormat.init(setting:)) ?? logFormat
    }
}

extension SettingsSection {
    fileprivate func text(_ key: ConfigurationKey) -> String? { text(key.rawValue) }
    fileprivate func flag(_ key: ConfigurationKey) -> Bool? { flag(key.rawValue) }
    fileprivate func texts(_ key: ConfigurationKey) -> [String]? { texts(key.rawValue) }
    fileprivate func count(_ key: ConfigurationKey) -> UInt32? { count(key.rawValue) }
    fileprivate func section(_ key: ConfigurationKey) -> SettingsSection? { section(key.rawValue) }

    fileprivate func parsed<Result>(
        _ key: ConfigurationKey, _ parse: (String) throws(SettingMistake) -> Result
    ) -> Result? { parsed(key.rawValue, parse) }

    fileprivate func parsedList<Result>(
        _ key: ConfigurationKey, _ parse: ([String]) throws(SettingMistake) -> Result
    ) -> Result? { parsedList(key.rawValue, parse) }

    func bindSetting(_ key: String, for place: BindPlace) -> BindSetting? {
        parsed(key) { (text) throws(SettingMistake) in try BindSetting(text, for: place) }
    }
}
