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
        // Before the addresses whose defaults it chooses.
        if settings.says("bindAddress") {
            set(bindAddress: settings.parsed("bindAddress", IPAddress.init(setting:)))
        }
        for setting in Setting.all {
            guard case .fields(let paths) = setting.home else { continue }
            read(setting, from: settings, paths)
        }
        readNode(settings)
        readModes(settings)
        if let logging = settings.section("logging"), logging.says("verbosity") {
            set(\.logLevel, logging.count("verbosity").map(Logger.Level.init(verbosity:)))
        }
        if let own = settings.section(KubeProxyFields.ownSection) { try readOwn(own) }
    }

    /// The first of the paths that says something counts.
    private mutating func read(_ setting: Setting, from settings: SettingsSection, _ paths: [String]) {
        for path in paths {
            let parts = path.split(separator: ".").map(String.init)
            let section = parts.dropLast().reduce(settings) { $0?.section($1) }
            guard let section, let name = parts.last, section.says(name) else { continue }
            return add(setting.read(section, name))
        }
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

    private mutating func readNode(_ settings: SettingsSection) {
        if settings.says("nodePortAddresses") {
            set(\.node.nodePorts, settings.parsedList("nodePortAddresses", NodePortAddresses.init(settings:)))
        } else if !settings.says("mode") || settings.text("mode") != "nftables" {
            // Spec 57.
            set(\.node.nodePorts, .all)
        }
        if settings.says("clusterCIDR") {
            set(\.node.localTraffic.clusterCIDRs, settings.parsed("clusterCIDR", CIDR.list(setting:)))
        }
        if let detection = settings.section("detectLocal"), detection.says("clusterCIDRs") {
            let ranges = detection.parsedList("clusterCIDRs") { (texts) throws(SettingMistake) in
                try CIDR.list(setting: texts.joined(separator: ","))
            }
            set(\.node.localTraffic.clusterCIDRs, ranges)
        }
        // 0 is a score like any other.
        let scores = [settings, settings.section("linux")].compactMap { section in
            section?.parsed("oomScoreAdj", Settings.oomScoreAdjustment(setting:))
        }
        set(\.oomScoreAdjustment, scores.first)
        // False says something.
        add(Setting.featureGates.read(settings, "featureGates"))
    }

    /// Settings that kube-proxy has for each of its modes: those of the file's mode count, and without a mode the
    /// first that says something.
    private mutating func readModes(_ settings: SettingsSection) {
        let mode = settings.says("mode") ? settings.text("mode") : nil
        let modes = mode.map { [$0] } ?? ["nftables", "iptables", "ipvs"]
        // The ipvs mode has its masquerade settings from the iptables one.
        let masquerading = modes.map { $0 == "ipvs" ? "iptables" : $0 } + ["linux"]
        if masquerading.contains(where: { settings.section($0)?.flag("masqueradeAll") == true }) {
            set(\.node.masqueradesAll, true)
        }
        for section in [settings] + modes.compactMap(settings.section) where section.says("syncPeriod") {
            return set(\.syncPeriod, section.parsed("syncPeriod", Duration.init(positiveGoSetting:)))
        }
    }
}
