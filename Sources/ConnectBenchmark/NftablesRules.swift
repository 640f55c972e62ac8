package import NetworkLab

/// The table that kube-proxy keeps in its nftables mode, for the services of one IP family.
///
/// A packet costs one look-up in a verdict map, whatever the number of services; then a chain for the service, which
/// draws an endpoint, and a chain for the endpoint, which rewrites.
package struct NftablesRules {
    private let services: [RuleService]
    /// Sources inside are pods, whose address is kept on the way to a ClusterIP.
    private let clusterRange: String
    /// Where NodePorts are served.
    private let nodeAddresses: [String]
    /// `ip` or `ip6`.
    private let family: String

    /// - Parameter services: all of one family.
    package init(_ services: [RuleService], clusterRange: String, nodeAddresses: [String] = []) {
        self.services = services
        self.clusterRange = clusterRange
        self.nodeAddresses = nodeAddresses
        family = services.first?.frontend.isV4 == false ? "ip6" : "ip"
    }

    /// Replaces the table as a whole.
    package func load(in namespace: String) throws(LabError) {
        let cleared = "table \(family) kube-proxy\ndelete table \(family) kube-proxy\n"
        // Of 10,000 Services the kernel takes a minute on a busy machine.
        try Command.run(["nft", "-f", "-"], in: namespace, input: cleared + text, within: 600_000)
    }

    package var text: String {
        var lines = ["table \(family) kube-proxy {"]
        lines += set("cluster-ips", services.map(\.frontend.host)) + set("nodeport-ips", nodeAddresses)
        lines += verdicts("service-ips", addressKey, services.flatMap(doors))
        lines += verdicts("service-nodeports", portKey, services.flatMap(nodePortDoors))
        lines += verdicts("no-endpoint-services", addressKey, services.flatMap(closedDoors))
        lines += verdicts("no-endpoint-nodeports", portKey, services.flatMap(closedNodePorts))
        lines += verdicts("firewall-ips", addressKey, services.flatMap(guardedDoors))
        for service in services { lines += chains(of: service) }
        lines += commonChains
        lines.append("}")
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: Sets and maps

    private var addressKey: String { "\(addressType) . inet_proto . inet_service" }
    private var portKey: String { "inet_proto . inet_service" }
    private var addressType: String { family == "ip" ? "ipv4_addr" : "ipv6_addr" }

    private func set(_ name: String, _ elements: [String]) -> [String] {
        ["\tset \(name) {", "\t\ttype \(addressType)"] + list(elements) + ["\t}"]
    }

    private func verdicts(_ name: String, _ key: String, _ elements: [String]) -> [String] {
        ["\tmap \(name) {", "\t\ttype \(key) : verdict"] + list(elements) + ["\t}"]
    }

    private func list(_ elements: [String]) -> [String] {
        elements.isEmpty ? [] : ["\t\telements = {"] + elements.map { "\t\t\t\($0)," } + ["\t\t}"]
    }

    private func door(_ address: String, _ service: RuleService, _ verdict: String) -> String {
        "\(address) . \(service.transport) . \(service.frontend.port) : \(verdict)"
    }

    private func doors(of service: RuleService) -> [String] {
        let inside =
            service.endpoints.isEmpty ? [] : [door(service.frontend.host, service, "goto \(chain(of: service))")]
        guard !service.endpoints.isEmpty else { return inside }
        return inside + service.outsideAddresses.map { door($0, service, "goto \(externalChain(of: service))") }
    }

    private func nodePortDoors(of service: RuleService) -> [String] {
        guard let port = service.nodePort, !service.endpoints.isEmpty else { return [] }
        return ["\(service.transport) . \(port) : goto \(externalChain(of: service))"]
    }

    /// What is still addressed to a frontend after translation has no endpoint to go to (spec 17, 27).
    private func closedDoors(of service: RuleService) -> [String] {
        let inside = service.endpoints.isEmpty ? [door(service.frontend.host, service, "goto reject-chain")] : []
        guard let verdict = service.closedVerdict else { return inside }
        return inside + service.outsideAddresses.map { door($0, service, verdict) }
    }

    private func closedNodePorts(of service: RuleService) -> [String] {
        guard let port = service.nodePort, let verdict = service.closedVerdict else { return [] }
        return ["\(service.transport) . \(port) : \(verdict)"]
    }

    private func guardedDoors(of service: RuleService) -> [String] {
        guard !service.sourceRanges.isEmpty else { return [] }
        return service.loadBalancerIPs.map { door($0, service, "goto firewall-\(suffix(service))") }
    }

    // MARK: Chains of a service

    private func suffix(_ service: RuleService) -> String {
        "\(service.tag)-\(service.name)/\(service.transport)/http"
    }

    private func chain(of service: RuleService) -> String { "service-\(suffix(service))" }

    private func externalChain(of service: RuleService) -> String { "external-\(suffix(service))" }

    private func chain(of endpoint: SocketAddress, _ service: RuleService) -> String {
        // A chain's name has no colons.
        let host = String(endpoint.host.map { $0 == ":" ? "." : $0 })
        return
            "endpoint-\(service.tag(of: endpoint))-\(service.name)/\(service.transport)/http__\(host)/\(endpoint.port)"
    }

    private func affinitySet(_ endpoint: SocketAddress, _ service: RuleService) -> String {
        "affinity-\(service.tag(of: endpoint))"
    }

    private func chains(of service: RuleService) -> [String] {
        let match = "\(family) daddr \(service.frontend.host) \(service.transport) dport \(service.frontend.port)"
        var lines = affinitySets(of: service) + service.endpoints.flatMap { chain(for: $0, of: service) }
        guard !service.endpoints.isEmpty else { return lines + firewall(of: service) }
        lines += ["\tchain \(chain(of: service)) {"]
        lines += ["\t\t\(match) \(family) saddr != \(clusterRange) jump mark-for-masquerade"]
        lines += choice(among: service.endpoints, of: service) + ["\t}"]
        if service.isExternal { lines += external(service) }
        return lines + firewall(of: service)
    }

    private func chain(for endpoint: SocketAddress, of service: RuleService) -> [String] {
        let refresh = service.affinitySeconds.map { _ in
            "\t\tupdate @\(affinitySet(endpoint, service)) { \(family) saddr }"
        }
        return ["\tchain \(chain(of: endpoint, service)) {"] + [refresh].compactMap { $0 } + [
            "\t\t\(family) saddr \(endpoint.host) jump mark-for-masquerade",
            "\t\tmeta l4proto \(service.transport) dnat to \(endpoint)",
            "\t}",
        ]
    }

    private func choice(among endpoints: [SocketAddress], of service: RuleService) -> [String] {
        let places = endpoints.enumerated().map { "\($0) : goto \(chain(of: $1, service))" }
        let kept =
            service.affinitySeconds == nil
            ? []
            : endpoints.map {
                "\t\t\(family) saddr @\(affinitySet($0, service)) goto \(chain(of: $0, service))"
            }
        return kept + ["\t\tnumgen random mod \(endpoints.count) vmap { \(places.joined(separator: ", ")) }"]
    }

    /// Pods and the node itself reach all the endpoints of a Local service (spec 18).
    private func external(_ service: RuleService) -> [String] {
        var lines = ["\tchain \(externalChain(of: service)) {"]
        if let local = service.localEndpoints {
            lines += [
                "\t\t\(family) saddr \(clusterRange) goto \(chain(of: service))",
                "\t\tfib saddr type local jump mark-for-masquerade",
                "\t\tfib saddr type local goto \(chain(of: service))",
            ]
            if !local.isEmpty { lines += choice(among: local, of: service) }
        } else {
            lines += ["\t\tjump mark-for-masquerade", "\t\tgoto \(chain(of: service))"]
        }
        return lines + ["\t}"]
    }

    private func firewall(of service: RuleService) -> [String] {
        guard !service.sourceRanges.isEmpty else { return [] }
        let ranges = service.sourceRanges.joined(separator: ", ")
        return ["\tchain firewall-\(suffix(service)) {", "\t\t\(family) saddr != { \(ranges) } drop", "\t}"]
    }

    private func affinitySets(of service: RuleService) -> [String] {
        guard let seconds = service.affinitySeconds else { return [] }
        return service.endpoints.flatMap { endpoint in
            [
                "\tset \(affinitySet(endpoint, service)) {", "\t\ttype \(addressType)",
                "\t\tflags dynamic,timeout", "\t\ttimeout \(seconds)s", "\t}",
            ]
        }
    }

    // MARK: Chains of all services

    private var commonChains: [String] {
        """
        \tchain mark-for-masquerade {
        \t\tmeta mark set meta mark or 0x4000
        \t}
        \tchain masquerading {
        \t\tmeta mark and 0x4000 == 0 return
        \t\tmeta mark set meta mark xor 0x4000
        \t\tmasquerade fully-random
        \t}
        \tchain services {
        \t\t\(family) daddr . meta l4proto . th dport vmap @service-ips
        \t\t\(family) daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
        \t}
        \tchain reject-chain {
        \t\treject
        \t}
        \tchain cluster-ips-check {
        \t\t\(family) daddr @cluster-ips reject
        \t}
        \tchain service-endpoints-check {
        \t\t\(family) daddr . meta l4proto . th dport vmap @no-endpoint-services
        \t}
        \tchain nodeport-endpoints-check {
        \t\t\(family) daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
        \t}
        \tchain firewall-check {
        \t\t\(family) daddr . meta l4proto . th dport vmap @firewall-ips
        \t}
        \(baseChains)
        """.split(separator: "\n").map(String.init)
    }

    private var baseChains: String {
        """
        \tchain nat-prerouting {
        \t\ttype nat hook prerouting priority dstnat; policy accept;
        \t\tjump services
        \t}
        \tchain nat-output {
        \t\ttype nat hook output priority -100; policy accept;
        \t\tjump services
        \t}
        \tchain nat-postrouting {
        \t\ttype nat hook postrouting priority srcnat; policy accept;
        \t\tjump masquerading
        \t}
        \tchain filter-prerouting-pre-dnat {
        \t\ttype filter hook prerouting priority -110; policy accept;
        \t\tct state new jump firewall-check
        \t}
        \tchain filter-output-pre-dnat {
        \t\ttype filter hook output priority -110; policy accept;
        \t\tct state new jump firewall-check
        \t}
        \tchain filter-input {
        \t\ttype filter hook input priority 0; policy accept;
        \t\tct state new jump nodeport-endpoints-check
        \t\tct state new jump service-endpoints-check
        \t}
        \tchain filter-forward {
        \t\ttype filter hook forward priority 0; policy accept;
        \t\tct state new jump service-endpoints-check
        \t\tct state new jump cluster-ips-check
        \t}
        \tchain filter-output {
        \t\ttype filter hook output priority 0; policy accept;
        \t\tct state new jump service-endpoints-check
        \t\tct state new jump cluster-ips-check
        \t}
        """
    }
}

extension RuleService {
    fileprivate var outsideAddresses: [String] { externalIPs + loadBalancerIPs }

    fileprivate var isExternal: Bool { nodePort != nil || !outsideAddresses.isEmpty }

    /// What becomes of outside traffic that no endpoint may take; nil if one may.
    fileprivate var closedVerdict: String? {
        if endpoints.isEmpty { return "goto reject-chain" }
        return localEndpoints?.isEmpty == true ? "drop" : nil
    }
}
