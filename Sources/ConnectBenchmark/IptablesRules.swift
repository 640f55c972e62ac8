import NetworkLab

/// The nat table that kube-proxy keeps in its iptables mode, for ClusterIP services.
///
/// The first packet of a connection walks one rule for each service until its own matches; then a chain for the
/// service, whose rules draw an endpoint one after the other, and a chain for the endpoint, which rewrites.
enum IptablesRules {
    static func text(_ services: [RuleService], clusterRange: String) -> String {
        var chains = ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"]
        var rules = commonRules
        var portals: [String] = []
        for service in services {
            chains.append(chain(of: service))
            chains += service.endpoints.map { chain(of: $0, service) }
            portals.append(portal(service))
            rules += serviceRules(service, clusterRange)
        }
        let lines = ["*nat"] + chains.map { ":\($0) - [0:0]" } + rules + portals + [nodePorts, "COMMIT"]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func chain(of service: RuleService) -> String { "KUBE-SVC-\(service.tag)" }

    private static func chain(of endpoint: SocketAddress, _ service: RuleService) -> String {
        "KUBE-SEP-\(service.tag(of: endpoint))"
    }

    private static let commonRules = [
        #"-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES"#,
        #"-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES"#,
        #"-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING"#,
        "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
        "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
        #"-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" "#
            + "-j MASQUERADE --random-fully",
    ]

    /// Always the last rule of the services: what is local may be a node port.
    private static let nodePorts =
        #"-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule" "#
        + "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"

    private static func match(_ service: RuleService) -> String {
        #"-d \#(service.frontend.host)/32 -p tcp -m comment --comment "\#(service.name):http cluster IP" "#
            + "-m tcp --dport \(service.frontend.port)"
    }

    private static func portal(_ service: RuleService) -> String {
        "-A KUBE-SERVICES \(match(service)) -j \(chain(of: service))"
    }

    private static func serviceRules(_ service: RuleService, _ clusterRange: String) -> [String] {
        let name = chain(of: service)
        var rules = ["-A \(name) ! -s \(clusterRange) \(match(service)) -j KUBE-MARK-MASQ"]
        for (index, endpoint) in service.endpoints.enumerated() {
            let target = chain(of: endpoint, service)
            let comment = #"-m comment --comment "\#(service.name):http -> \#(endpoint)""#
            rules.append("-A \(name) \(comment)\(draw(service.endpoints.count - index)) -j \(target)")
            rules.append(
                "-A \(target) -s \(endpoint.host)/32 -m comment --comment \(service.name):http -j KUBE-MARK-MASQ")
            rules.append(
                "-A \(target) -p tcp -m comment --comment \(service.name):http -m tcp "
                    + "-j DNAT --to-destination \(endpoint)")
        }
        return rules
    }

    /// One of those that are left takes the connection; the last takes it for certain.
    private static func draw(_ left: Int) -> String {
        guard left > 1 else { return "" }
        let digits = String(Int((1e10 / Double(left)).rounded()))
        let padded = String(repeating: "0", count: 10 - digits.count) + digits
        return " -m statistic --mode random --probability 0.\(padded)"
    }
}
