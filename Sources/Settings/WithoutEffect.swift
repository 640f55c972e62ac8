/// A setting of kube-proxy that is accepted and changes nothing here.
package struct WithoutEffect: Sendable, Hashable {
    /// The flag with its dashes, or the field's path in a file.
    package var name: String
    package var reason: Reason

    /// Why a setting changes nothing; settings share them.
    package enum Reason: String, Sendable, CaseIterable {
        case mode = "swiftlet has one mode, which needs no iptables, IPVS or nftables"
        case conntrack = "the kernel's connection tracking is left as it is"
        case watching = "changes are watched, and written at once"
        case logging = "log lines go to standard error, unbuffered, at one level"
        case binding = "no port is held open for a Service; node addresses come from the Node object"
        case metrics = "no metric is hidden, and there is no profiling endpoint"
        case windows = "it is for Windows"
        case gate = "swiftlet has no such feature gate"
    }

    init(_ name: String, _ reason: Reason) {
        self.name = name
        self.reason = reason
    }
}

extension Configuration {
    /// All that was accepted in vain, by reason, in one line: `--ipvs-scheduler, mode: swiftlet has one mode, …`.
    package var withoutEffectText: String? {
        let groups = WithoutEffect.Reason.allCases.compactMap { reason in
            let names = Set(withoutEffect.filter { $0.reason == reason }.map(\.name)).sorted()
            return names.isEmpty ? nil : "\(names.joined(separator: ", ")): \(reason.rawValue)"
        }
        return groups.isEmpty ? nil : groups.joined(separator: "; ")
    }
}

extension WithoutEffect {
    /// A flag of kube-proxy, without its dashes.
    struct Flag {
        var name: String
        var reason: Reason
        /// It may stand alone, and then means true.
        var isBoolean: Bool
    }

    /// The flags of kube-proxy (up to 1.36, and older ones that manifests still carry) that change nothing here.
    static let flags: [Flag] =
        values(
            .mode, "proxy-mode", "iptables-masquerade-bit", "iptables-min-sync-period", "iptables-sync-period",
            "ipvs-exclude-cidrs", "ipvs-min-sync-period", "ipvs-scheduler", "ipvs-sync-period",
            "ipvs-tcp-timeout", "ipvs-tcpfin-timeout", "ipvs-udp-timeout", "nftables-masquerade-bit",
            "nftables-min-sync-period", "nftables-sync-period")
        + booleans(.mode, "iptables-localhost-nodeports", "ipvs-strict-arp", "cleanup-ipvs", "cleanup-iptables")
        + values(.conntrack, "conntrack-max-per-core", "conntrack-min")
        + booleans(.conntrack, "conntrack-tcp-be-liberal")
        + values(
            .watching, "config-sync-period", "min-sync-period", "kube-api-burst", "kube-api-content-type",
            "kube-api-qps")
        + values(
            .logging, "log-backtrace-at", "log-dir", "log-file", "log-file-max-size", "log-flush-frequency",
            "log-json-info-buffer-size", "log-text-info-buffer-size", "stderrthreshold", "vmodule")
        + booleans(
            .logging, "add-dir-header", "alsologtostderr", "legacy-stderr-threshold-behavior", "log-json-split-stream",
            "log-text-split-stream", "logtostderr", "one-output", "skip-headers", "skip-log-headers")
        + values(.binding, "proxy-port-range", "udp-timeout")
        + booleans(.binding, "bind-address-hard-fail")
        + values(.metrics, "show-hidden-metrics-for-version")
        + booleans(.metrics, "profiling")
        + values(.windows, "network-name", "root-hnsendpoint-name", "source-vip")
        + booleans(.windows, "enable-dsr", "forward-healthcheck-vip", "windows-service")

    private static func values(_ reason: Reason, _ names: String...) -> [Flag] {
        names.map { Flag(name: $0, reason: reason, isBoolean: false) }
    }

    private static func booleans(_ reason: Reason, _ names: String...) -> [Flag] {
        names.map { Flag(name: $0, reason: reason, isBoolean: true) }
    }

    /// A flag by its name without dashes; nil if it is none of these.
    package init?(flag name: String) {
        guard let flag = Self.flags.first(where: { $0.name == name }) else { return nil }
        self.init("--\(name)", flag.reason)
    }

    /// The flags by reason, for the help: `--ipvs-scheduler, --proxy-mode: swiftlet has one mode, …`.
    package static let flagsText = Reason.allCases.compactMap { reason in
        let names = flags.filter { $0.reason == reason }.map { "--\($0.name)" }.sorted()
        return names.isEmpty ? nil : "\(reason.rawValue): \(names.joined(separator: ", "))"
    }.joined(separator: "\n")
}
