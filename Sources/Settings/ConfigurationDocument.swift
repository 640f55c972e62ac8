import Logging
import NameServer
import NodeNetwork
import ServiceModel
import SystemPackage

/// A value of a written configuration.
indirect enum SettingValue: Sendable, Hashable {
    case text(String)
    case number(Int)
    case flag(Bool)
    case list([SettingValue])
    case map([Member])

    struct Member: Sendable, Hashable {
        var key: String
        var value: SettingValue
    }

    /// Leaves out what is nil; sorted by name.
    static func map(_ members: [String: SettingValue?]) -> SettingValue {
        .map(
            members.compactMap { key, value in value.map { Member(key: key, value: $0) } }
                .sorted { $0.key < $1.key })
    }

    /// What is no map, by its path.
    fileprivate func leaves(below path: String?) -> [String: SettingValue] {
        guard case .map(let members) = self, !members.isEmpty else { return path.map { [$0: self] } ?? [:] }
        return members.reduce(into: [:]) { leaves, member in
            let key = path.map { "\($0).\(member.key)" } ?? member.key
            leaves.merge(member.value.leaves(below: key)) { $1 }
        }
    }

    static func texts(_ texts: [String]) -> SettingValue { .list(texts.map(SettingValue.text)) }
}

extension Configuration {
    /// The effective configuration as a file that `--config` reads back: a `KubeProxyConfiguration`, and below
    /// `swiftlet` what has no home there.
    package var fileText: String {
        "# written by swiftlet run --write-config-to\n" + document.yaml(indented: "")
    }

    /// What `/configz` answers: JSON in kube-proxy's shape (spec 47).
    package func configzBody() -> String {
        SettingValue.map([.init(key: "kubeproxy.config.k8s.io", value: document)]).json
    }

    /// The settings that are not as in another configuration, by their keys: `swiftlet.forwarding`.
    package func settings(unlike other: Configuration) -> [String] {
        let (own, others) = (document.leaves(below: nil), other.document.leaves(below: nil))
        return Set(own.keys).union(others.keys).filter { own[$0] != others[$0] }.sorted()
    }

    private var document: SettingValue {
        let local = node.localTraffic
        return .map([
            "apiVersion": .text("kubeproxy.config.k8s.io/v1alpha1"),
            "kind": .text("KubeProxyConfiguration"),
            "clientConnection": .map(["kubeconfig": .text(cluster.kubeconfig?.string ?? "")]),
            "conntrack": .map([
                "tcpCloseWaitTimeout": .text(packets.timeouts.tcpCloseWait.goText),
                "tcpEstablishedTimeout": .text(packets.timeouts.tcpEstablished.goText),
                "udpStreamTimeout": .text(packets.timeouts.udpStream.goText),
                "udpTimeout": .text(packets.timeouts.udp.goText),
            ]),
            "clusterCIDR": .text(local.clusterCIDRs.map(\.description).joined(separator: ",")),
            "detectLocal": .map([
                "bridgeInterface": .text(local.bridgeInterface),
                "interfaceNamePrefix": .text(local.interfaceNamePrefix),
            ]),
            "detectLocalMode": .text(local.mode.rawValue),
            "featureGates": .map(featureGates.mapValues { .flag($0) }),
            "healthzBindAddress": .text(BindSetting(healthzAddress).text),
            "hostnameOverride": .text(node.name),
            "logging": .map(["format": .text(logFormat.rawValue)]),
            "metricsBindAddress": .text(BindSetting(metricsAddress).text),
            "nftables": .map(["masqueradeAll": .flag(node.masqueradesAll), "syncPeriod": .text(syncPeriod.goText)]),
            "nodePortAddresses": .texts(node.nodePorts.settings),
            "oomScoreAdj": .number(oomScoreAdjustment),
            KubeProxyFields.ownSection: ownSettings,
        ])
    }

    private var ownSettings: SettingValue {
        var settings: [ConfigurationKey: SettingValue] = [
            .apiServers: .texts(cluster.apiServers), .bindProtection: .flag(bindProtection),
            .bpfRoot: .text(bpfRoot.string), .eventRecording: .flag(recordsEvents),
            .kubeProxyReplacement: .flag(kubeProxyReplacement), .logLevel: .text(logLevel.rawValue),
            .manifests: .texts(manifests), .maxBackends: .number(Int(mapSizes.backends)),
            .maxFlows: .number(Int(mapSizes.flows)), .maxServices: .number(Int(mapSizes.services)),
            .maxSlots: .number(Int(mapSizes.slots)), .maxSourceRanges: .number(Int(mapSizes.sourceRanges)),
            .mapMemoryLimit: .number(Int(mapSizes.memoryLimit)),
            .socketDestroy: .text(socketDestroy.whose.rawValue),
            .socketDestroyRate: .number(Int(socketDestroy.perSecond)),
            .socketDestroyBy: .text(socketDestroy.by.rawValue),
            .socketLB: .text(sockets.rawValue),
            .socketLBExcludeCgroups: .texts(leftCgroups.map(\.description)), .devices: .texts(packets.devices.settings),
            .podInterfaces: .texts(packets.podInterfaces.settings),
            .externalClusterIP: .flag(packets.servesClusterIPsOutside),
            .serviceCIDR: .text(packets.serviceCIDRs.map(\.description).joined(separator: ",")),
            .setSysctls: .flag(packets.setsSysctls), .forwarding: .text(packets.forwarding.rawValue),
            .masqueradePorts: .text(
                packets.masqueradePorts.isEmpty
                    ? "auto" : packets.masqueradePorts.map(\.description).joined(separator: ",")),
            .serviceNodePortRange: .text(packets.nodePortRange.description),
            .bpfCTTimeoutRegularTCPSYN: .text(packets.timeouts.tcpSYN.goText),
            .bpfCTTimeoutRegularTCPFIN: .text(packets.timeouts.tcpFIN.goText),
            .bpfCTTimeoutRegularAny: .text(packets.timeouts.any.goText),
            .dnsBind: .texts(names.bind.map(\.description)),
            .dnsServiceIP: .text(names.serviceIPs.map(\.description).joined(separator: ",")),
            .clusterDomain: .text(names.domain), .dnsTTL: .text("\(names.timeToLive)s"),
            .dnsUpstream: .texts(names.upstreamTexts),
            .dnsAllow: .text(names.allowed.map(\.description).joined(separator: ",")),
            .metricsPerBackend: .flag(metricsPerBackend), .serviceProxyName: .text(node.proxyName ?? ""),
            .stateDir: .text(stateDirectory?.string ?? ""),
        ]
        settings[.context] = cluster.context.map(SettingValue.text)
        settings[.cgroupRoot] = cgroupRoot.map { .text($0.string) }
        return .map(Dictionary(uniqueKeysWithValues: settings.map { ($0.rawValue, $1) }))
    }
}

extension SettingValue {
    fileprivate var json: String {
        switch self {
        case .list(let values): "[\(values.map(\.json).joined(separator: ","))]"
        case .map(let members):
            "{\(members.map { "\(Self.quoted($0.key)):\($0.value.json)" }.joined(separator: ","))}"
        case .text(let text): Self.quoted(text)
        case .number(let number): "\(number)"
        case .flag(let flag): "\(flag)"
        }
    }

    /// Lines of YAML; a scalar is written as in JSON, which YAML contains.
    fileprivate func yaml(indented indentation: String) -> String {
        guard case .map(let members) = self else { return indentation + json + "\n" }
        return members.map { member in
            guard case .map(let inner) = member.value, !inner.isEmpty else {
                return "\(indentation)\(member.key): \(member.value.json)\n"
            }
            return "\(indentation)\(member.key):\n" + member.value.yaml(indented: indentation + "  ")
        }.joined()
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\u{0}"..<" ", "\u{7f}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
