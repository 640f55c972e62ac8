import ArgumentParser
import NameServer
import ServiceModel
import Settings

/// Names of Services by DNS.
struct NameOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Answer DNS for Services at this address of the node; may be repeated (default: none).",
            valueName: "ip[:port]"))
    var dnsBind: [String] = []

    @Option(
        name: .customLong("dns-service-ip"),
        help: ArgumentHelp(
            "A ClusterIP for DNS, or one of each family: served like any other, with --dns-bind as its backend.",
            valueName: "ip,…"),
        transform: Settings.serviceIPs(setting:))
    var dnsServiceIP: [IPAddress]?

    @Option(
        help: ArgumentHelp("Domain of the names (default: \(NameSettings.usualDomain)).", valueName: "domain"),
        transform: Settings.clusterDomain(setting:))
    var clusterDomain: String?

    @Option(
        name: .customLong("dns-ttl"),
        help: ArgumentHelp(
            "How long answers may be remembered (default: \(NameSettings.usualTimeToLive) s).", valueName: "seconds"),
        transform: Settings.dnsTimeToLive(setting:))
    var dnsTTL: UInt32?

    @Option(
        help: ArgumentHelp(
            "Name server for all other names, or none; may be repeated (default: auto, those of /etc/resolv.conf).",
            valueName: "ip[:port]"))
    var dnsUpstream: [String] = []

    @Option(
        help: ArgumentHelp("Networks that are answered beside the node and its pods.", valueName: "cidr,…"),
        transform: CIDR.list(setting:))
    var dnsAllow: [CIDR]?

    func fill(_ layer: inout ConfigurationLayer) throws {
        do {
            if !dnsBind.isEmpty { layer.set(\.names.bind, try NameServerSettings.Address.binds(settings: dnsBind)) }
        } catch {
            throw ValidationError("the value of --dns-bind cannot be used: \(error)")
        }
        do {
            if !dnsUpstream.isEmpty {
                layer.set(\.names.upstream, .some(try NameSettings.upstream(settings: dnsUpstream)))
            }
        } catch {
            throw ValidationError("the value of --dns-upstream cannot be used: \(error)")
        }
        layer.set(\.names.serviceIPs, dnsServiceIP)
        layer.set(\.names.domain, clusterDomain)
        layer.set(\.names.timeToLive, dnsTTL)
        layer.set(\.names.allowed, dnsAllow)
    }
}
