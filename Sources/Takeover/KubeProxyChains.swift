/// Which chains of iptables are kube-proxy's, by their names.
///
/// `KUBE-FIREWALL`, `KUBE-MARK-DROP`, `KUBE-KUBELET-CANARY` and `KUBE-IPTABLES-HINT` are the kubelet's, and stay.
enum KubeProxyChains {
    /// One for each Service, each endpoint, and each way to them.
    private static let prefixes = ["KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-", "KUBE-EXT-", "KUBE-FW-", "KUBE-XLB-"]

    private static let names: Set<String> = [
        "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ",
        "KUBE-FORWARD", "KUBE-PROXY-FIREWALL", "KUBE-PROXY-CANARY",
    ]

    /// What rules of kube-proxy in the chains of the kernel lead to.
    private static let entrances: Set<String> = [
        "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-FORWARD",
        "KUBE-PROXY-FIREWALL",
    ]

    /// Lets forwarded packets pass where the policy of FORWARD would drop them.
    static let forward = "KUBE-FORWARD"

    static func contains(_ chain: String) -> Bool {
        names.contains(chain) || prefixes.contains { chain.hasPrefix($0) }
    }

    static func isEntrance(_ chain: String) -> Bool { entrances.contains(chain) }
}
