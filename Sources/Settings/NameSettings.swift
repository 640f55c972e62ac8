package import ManifestDirectory
package import NameServer
package import ServiceModel

/// Names of Services by DNS: where they are answered, for which domain, and to what clients.
package struct NameSettings: Sendable, Hashable {
    /// `--dns-bind`; none means that no names are answered.
    package var bind: [NameServerSettings.Address] = []
    /// `--dns-service-ip`: VIPs that lead to the name server, at most one of each family.
    package var serviceIPs: [IPAddress] = []
    /// `--cluster-domain`, without a closing dot.
    package var domain = NameSettings.usualDomain
    /// `--dns-ttl`, seconds.
    package var timeToLive = NameSettings.usualTimeToLive
    /// `--dns-upstream`: the servers for other names; nil: those of resolv.conf, empty: none.
    package var upstream: [NameServerSettings.Address]?
    /// `--dns-allow`: clients that are answered beside the node and its pods.
    package var allowed: [CIDR] = []

    package static let usualDomain = "cluster.local"
    package static let usualTimeToLive: UInt32 = 5

    package init() {}

    package var isOn: Bool { !bind.isEmpty }

    /// The address that a VIP leads to: the first one of its family that pods can reach.
    package func backend(for family: IPFamily) -> NameServerSettings.Address? {
        bind.first { $0.address.family == family && !$0.address.isLoopback }
    }

    /// What only shows when all layers are applied.
    func check() throws(ConfigurationError) {
        let own = bind + serviceIPs.map { NameServerSettings.Address($0) }
        if isOn, let server = upstream?.first(where: { own.contains($0) }) {
            throw ConfigurationError(
                "cannot ask --dns-upstream \(server) (dnsUpstream): swiftlet itself answers there; name another server, or "
                    + "none")
        }
        if serviceIPs.isEmpty { return }
        guard isOn else {
            throw ConfigurationError(
                "cannot serve DNS at --dns-service-ip (dnsServiceIP): name the node's address that answers with --dns-bind"
            )
        }
        for address in serviceIPs where backend(for: address.family) == nil {
            throw ConfigurationError(
                "cannot serve DNS at --dns-service-ip \(address): --dns-bind names no IP\(address.family) address that pods "
                    + "can reach; add one of the node's")
        }
    }
}

extension NameSettings {
    /// Servers, each text with one or several between commas; `none`; or `auto`, which is nil: those of resolv.conf.
    package static func upstream(settings: [String]) throws(SettingMistake) -> [NameServerSettings.Address]? {
        switch settings {
        case ["none"]: return []
        case ["auto"]: return nil
        default:
            let named = try NameServerSettings.Address.list(settings: settings, default: "none alone")
            guard !named.contains(where: \.address.isUnspecified) else {
                throw SettingMistake("write the address of a server: 0.0.0.0 and :: are none")
            }
            return named
        }
    }

    static func upstreamTexts(_ upstream: [NameServerSettings.Address]?) -> [String] {
        guard let upstream else { return ["auto"] }
        return upstream.isEmpty ? ["none"] : upstream.map(\.description)
    }
}

extension NameServerSettings.Address {
    /// Where to listen: each text has one or several, between commas.
    package static func binds(settings: [String]) throws(SettingMistake) -> [NameServerSettings.Address] {
        let addresses = try list(settings: settings, default: "no --dns-bind at all")
        guard !addresses.contains(where: \.address.isUnspecified) else {
            throw SettingMistake(
                "write one of the node's own addresses: answers must come from the address that was asked")
        }
        return addresses
    }

    static func list(settings: [String], default none: String) throws(SettingMistake) -> [NameServerSettings.Address] {
        var addresses: [NameServerSettings.Address] = []
        for text in settings.flatMap({ $0.split(separator: ",", omittingEmptySubsequences: false) }) {
            guard let address = NameServerSettings.Address(String(text.filter { !$0.isWhitespace })),
                !address.address.isMulticast
            else {
                throw SettingMistake(
                    "\"\(text)\" is no address: write addresses like 10.0.0.1, 10.0.0.1:5353 or [fd00::1]:5353, or \(none)"
                )
            }
            if !addresses.contains(address) { addresses.append(address) }
        }
        return addresses
    }
}

/// VIPs between commas, at most one of each family.
package func serviceIPs(setting: String) throws(SettingMistake) -> [IPAddress] {
    var addresses: [IPAddress] = []
    for text in setting.split(separator: ",") {
        guard let address = IPAddress(text.filter { !$0.isWhitespace }), !address.isUnspecified, !address.isLoopback,
            !address.isMulticast, !addresses.contains(where: { $0.family == address.family })
        else { throw SettingMistake("write an address like 10.96.0.10, or one of each family: 10.96.0.10,fd00:96::a") }
        addresses.append(address)
    }
    return addresses
}

/// A domain of DNS without a closing dot, in lower case.
package func clusterDomain(setting: String) throws(SettingMistake) -> String {
    let text = setting.lowercased()
    let domain = text.hasSuffix(".") ? String(text.dropLast()) : text
    // Room for a port, a protocol, a hostname, a Service and a namespace of 63 bytes is not asked for: few are so long.
    guard !domain.isEmpty, domain.utf8.count <= 180, NameServerSettings.isDomain(domain),
        domain != "arpa", !domain.hasSuffix(".arpa")
    else {
        throw SettingMistake("write a domain like cluster.local")
    }
    return domain
}

/// Seconds, bare or as a span of whole ones.
package func dnsTimeToLive(setting: String) throws(SettingMistake) -> UInt32 {
    var seconds = UInt32(setting)
    if seconds == nil {
        let span = try Duration(goSetting: setting).components
        seconds = span.attoseconds == 0 ? UInt32(exactly: span.seconds) : nil
    }
    guard let seconds, seconds <= 86_400 else { throw SettingMistake("write seconds from 0 to 86400, like 5 or 30s") }
    return seconds
}
