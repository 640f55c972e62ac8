import KubernetesObjects

/// The fields of `KubeProxyConfiguration` (kubeproxy.config.k8s.io, v1alpha1, and those that move in its next
/// version), and what becomes of them.
enum KubeProxyFields {
    /// Fields that have their effect, by path.
    static let used = Set(Setting.all.flatMap(\.home.paths))
        .union(["apiVersion", "kind", "bindAddress", ownSection])

    /// Where swiftlet's own keys stand, which have no home in kube-proxy's file.
    static let ownSection = "swiftlet"

    /// Fields that are accepted and change nothing, by path.
    static let withoutEffect: [String: WithoutEffect.Reason] = {
        var fields: [String: WithoutEffect.Reason] = [:]
        func add(_ reason: WithoutEffect.Reason, in section: String = "", _ names: String...) {
            for name in names { fields[section.isEmpty ? name : "\(section).\(name)"] = reason }
        }
        add(.mode, "mode")
        add(.mode, in: "iptables", "localhostNodePorts", "masqueradeBit", "minSyncPeriod", "snatNodeInternalIP")
        add(
            .mode, in: "ipvs", "excludeCIDRs", "masqueradeBit", "minSyncPeriod", "scheduler", "strictARP",
            "tcpFinTimeout", "tcpTimeout", "udpTimeout")
        add(.mode, in: "nftables", "masqueradeBit", "minSyncPeriod")
        for section in ["conntrack", "linux.conntrack"] {
            add(.conntrack, in: section, "maxPerCore", "min", "tcpBeLiberal")
        }
        add(.watching, "configSyncPeriod", "minSyncPeriod")
        add(.watching, in: "clientConnection", "acceptContentTypes", "burst", "contentType", "qps")
        add(.logging, in: "logging", "flushFrequency", "vmodule")
        for format in ["json", "text"] {
            add(.logging, in: "logging.options.\(format)", "infoBufferSize", "splitStream")
        }
        add(.binding, "bindAddressHardFail", "portRange", "udpIdleTimeout")
        add(.metrics, "enableProfiling", "showHiddenMetricsForVersion")
        add(
            .windows, in: "winkernel", "enableDSR", "forwardHealthCheckVip", "networkName", "rootHnsEndpointName",
            "sourceVip")
        add(.windows, "windowsRunAsService", "windows.runAsService")
        return fields
    }()

    static let paths: [String] = (Array(used) + withoutEffect.keys).sorted()
    /// The paths of maps that hold further fields.
    static let sections: Set<String> = Set(
        paths.flatMap { path in
            path.indices.filter { path[$0] == "." }.map { String(path[..<$0]) }
        })

    /// The field that was probably meant: of this section, or one of this name elsewhere.
    static func nearest(to path: String) -> String? {
        if let near = (paths + sections).nearest(to: path) { return near }
        let name = path.lastComponent
        return paths.first { $0.lastComponent.lowercased() == name.lowercased() }
    }
}

extension String {
    fileprivate var lastComponent: Substring { self[(lastIndex(of: ".").map(index(after:)) ?? startIndex)...] }
}
