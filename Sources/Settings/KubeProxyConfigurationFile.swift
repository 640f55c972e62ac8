import KubernetesObjects
import Logging
import ManifestDirectory
import ServiceModel

extension ConfigurationLayer {
    /// Reads a file that was written for kube-proxy. What Go writes for nothing (`""`, `0s`, `null`) sets nothing, as
    /// there.
    mutating func readKubeProxyConfiguration(_ settings: SettingsSection) throws(ConfigurationError) {
        try checkKind(settings)
        try checkFields(of: settings, at: "")
        readConnection(settings)
        readNode(settings)
        readLocalTraffic(settings)
        readModes(settings)
        readTimeouts(settings)
        readAddresses(settings)
        if let logging = settings.section("logging") { readLogging(logging) }
        if let own = settings.section(KubeProxyFields.ownSection) { try readOwn(own) }
    }

    private func checkKind(_ settings: SettingsSection) throws(ConfigurationError) {
        let kind = settings.text("kind") ?? "nothing"
        guard kind == "KubeProxyConfiguration" else {
            throw ConfigurationError(
                "kind is \(kind); write KubeProxyConfiguration, or swiftlet's own keys without a kind")
        }
        let version = settings.text("apiVersion") ?? "nothing"
        guard ["v1alpha1", "v1alpha2"].contains(where: { version == "kubeproxy.config.k8s.io/\($0)" }) else {
            throw ConfigurationError("apiVersion is \(version); write kubeproxy.config.k8s.io/v1alpha1")
        }
    }

    /// Every key must be a field, and those without effect are remembered if they say something.
    private mutating func checkFields(of settings: SettingsSection, at prefix: String) throws(ConfigurationError) {
        for key in settings.keys {
            let path = prefix + key
            if KubeProxyFields.used.contains(path) { continue }
            if let reason = KubeProxyFields.withoutEffect[path] {
                if settings.says(key) { withoutEffect.append(WithoutEffect(path, reason)) }
            } else if KubeProxyFields.sections.contains(path) {
                if let section = settings.section(key) { try checkFields(of: section, at: "\(path).") }
            } else {
                let advice = KubeProxyFields.nearest(to: path).map { "did you mean \($0)?" } ?? "leave it out"
                throw ConfigurationError("unknown field \"\(path)\"; \(advice)")
            }
        }
    }

    private mutating func readConnection(_ settings: SettingsSection) {
        guard let connection = settings.section("clientConnection"), connection.says("kubeconfig") else { return }
        kubeconfig = connection.text("kubeconfig")
    }

    private mutating func readNode(_ settings: SettingsSection) {
        if settings.says("hostnameOverride") {
            nodeName = settings.parsed("hostnameOverride", Settings.nodeName(setting:))
        }
        if settings.says("nodePortAddresses") {
            nodePorts = settings.parsedList("nodePortAddresses", NodePortAddresses.init(settings:))
        } else if !settings.says("mode") || settings.text("mode") != "nftables" {
            // Spec 57.
            nodePorts = .all
        }
        let scores = [settings, settings.section("linux")].compactMap { $0 }
        // 0 is a score like any other.
        oomScoreAdjustment =
            scores.lazy.compactMap {
                $0.parsed("oomScoreAdj", Settings.oomScoreAdjustment(setting:))
            }.first
        readGates(settings.section("featureGates"))
    }

    private mutating func readLocalTraffic(_ settings: SettingsSection) {
        if settings.says("clusterCIDR") { clusterCIDRs = settings.parsed("clusterCIDR", CIDR.list(setting:)) }
        if settings.says("detectLocalMode") {
            localTrafficMode = settings.parsed("detectLocalMode", LocalTrafficMode.init(setting:))
        }
        guard let detection = settings.section("detectLocal") else { return }
        if detection.says("bridgeInterface") { bridgeInterface = detection.text("bridgeInterface") }
        if detection.says("interfaceNamePrefix") { interfaceNamePrefix = detection.text("interfaceNamePrefix") }
        if detection.says("clusterCIDRs") {
            clusterCIDRs = detection.parsedList("clusterCIDRs") { (texts) throws(SettingMistake) in
                try CIDR.list(setting: texts.joined(separator: ","))
            }
        }
    }

    /// Settings that kube-proxy has for each of its modes: those of the file's mode count, and without a mode the
    /// first that says something.
    private mutating func readModes(_ settings: SettingsSection) {
        let mode = settings.says("mode") ? settings.text("mode") : nil
        let modes = mode.map { [$0] } ?? ["nftables", "iptables", "ipvs"]
        // The ipvs mode has its masquerade settings from the iptables one.
        let masquerading = modes.map { $0 == "ipvs" ? "iptables" : $0 } + ["linux"]
        if masquerading.contains(where: { settings.section($0)?.flag("masqueradeAll") == true }) {
            masqueradesAll = true
        }
        for section in [settings] + modes.compactMap(settings.section) where section.says("syncPeriod") {
            syncPeriod = section.parsed("syncPeriod", Duration.init(positiveGoSetting:))
            return
        }
    }

    /// The next version of the API has the section below `linux`.
    private mutating func readTimeouts(_ settings: SettingsSection) {
        let sections = [settings, settings.section("linux")].compactMap { $0?.section("conntrack") }
        func read(_ field: String, into span: inout Duration?) {
            guard let section = sections.first(where: { $0.says(field) }) else { return }
            span = section.parsed(field, Duration.init(positiveGoSetting:))
        }
        read("tcpEstablishedTimeout", into: &timeouts.tcpEstablished)
        read("tcpCloseWaitTimeout", into: &timeouts.tcpCloseWait)
        read("udpTimeout", into: &timeouts.udp)
        read("udpStreamTimeout", into: &timeouts.udpStream)
    }

    private mutating func readAddresses(_ settings: SettingsSection) {
        if settings.says("bindAddress") { bindAddress = settings.parsed("bindAddress", IPAddress.init(setting:)) }
        if settings.says("healthzBindAddress") {
            healthz = settings.bindSetting("healthzBindAddress", for: .healthz)
        }
        if settings.says("metricsBindAddress") {
            metrics = settings.bindSetting("metricsBindAddress", for: .metrics)
        }
    }

    private mutating func readLogging(_ logging: SettingsSection) {
        if logging.says("format") { logFormat = logging.parsed("format", LogFormat.init(setting:)) }
        if logging.says("verbosity") { logLevel = logging.count("verbosity").map(Logger.Level.init(verbosity:)) }
    }
}
