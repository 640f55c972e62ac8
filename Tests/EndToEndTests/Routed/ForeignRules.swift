import NetworkLab

/// Rules that something else keeps in a node's network namespace, in an nftables table of its own. They go with this.
///
/// A class because a test hands it on.
final class ForeignRules: Sendable {
    private let table: String
    private let namespace: String

    /// - Parameters:
    ///   - chains: what the table holds, as `nft` reads it.
    ///   - name: of the table, which nothing else in the namespace may have.
    init(_ chains: String, in namespace: String, name: String = "foreign") throws {
        table = name
        self.namespace = namespace
        let text = "table inet \(table)\ndelete table inet \(table)\ntable inet \(table) {\n\(chains)\n}\n"
        try Command.run(["nft", "-f", "-"], in: namespace, input: text)
    }

    deinit {
        // What is left goes with the namespace.
        _ = try? Command.run(["nft", "delete", "table", "inet", table], in: namespace)
    }

    /// As a CNI does it for what a pod sends to the network.
    ///
    /// - Parameter how: what follows `masquerade`, such as `fully-random`.
    static func masquerade(
        of pod: RoutedService.PodName, _ how: String, in namespace: String
    ) throws -> ForeignRules {
        let rules = IPVersion.allCases.flatMap { family in
            // A range of ports wants to know the protocol.
            ["tcp", "udp"].map { proto in
                "\(family == .v4 ? "ip" : "ip6") saddr \(pod.address(family)) meta l4proto \(proto) oifname eth0 "
                    + "masquerade \(how)"
            }
        }
        let hook = "type nat hook postrouting priority srcnat + 10; policy accept;"
        return try ForeignRules("chain leaving {\n\(hook)\n\(rules.joined(separator: "\n"))\n}", in: namespace)
    }

    /// Makes the kernel track connections, as it does on every node where something filters or masquerades.
    static func tracking(in namespace: String) throws -> ForeignRules {
        let hook = "type filter hook prerouting priority filter; policy accept;"
        return try ForeignRules("chain arriving {\n\(hook)\nct state new counter\n}", in: namespace, name: "tracking")
    }

    /// A chain of FORWARD, after those of the proxy.
    static func forward(policy: String, _ rules: String..., in namespace: String) throws -> ForeignRules {
        let hook = "type filter hook forward priority filter + 10; policy \(policy);"
        return try ForeignRules("chain forward {\n\(hook)\n\(rules.joined(separator: "\n"))\n}", in: namespace)
    }
}
