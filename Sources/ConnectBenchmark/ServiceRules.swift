package import NetworkLab

/// One service port as the rules for a packet filter describe it.
package struct RuleService: Sendable {
    package let name: String
    /// Its ClusterIP.
    package let frontend: SocketAddress
    package let endpoints: [SocketAddress]

    // What a benchmark of ClusterIPs has no use for; only the rules for nftables know it.

    /// As nftables writes it.
    package var transport = "tcp"
    package var nodePort: UInt16?
    package var externalIPs: [String] = []
    package var loadBalancerIPs: [String] = []
    /// The clients that may use the load balancer's addresses; empty: all.
    package var sourceRanges: [String] = []
    /// With the external policy Local, the endpoints on this node; nil with the policy Cluster.
    package var localEndpoints: [SocketAddress]?
    package var affinitySeconds: Int?

    package init(name: String, frontend: SocketAddress, endpoints: [SocketAddress]) {
        self.name = name
        self.frontend = frontend
        self.endpoints = endpoints
    }

    /// Sixteen characters that name its chains, the same for the same service.
    var tag: String { Self.tag("\(name) \(frontend)") }

    func tag(of endpoint: SocketAddress) -> String { Self.tag("\(name) \(endpoint)") }

    /// FNV-1a, mixed once more because neighbours differ in one digit only, in base 32.
    private static func tag(_ text: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var generator = SeededGenerator(seed: hash)
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        let bits = (generator.next(), generator.next())
        return String((0..<16).map { alphabet[Int((($0 < 8 ? bits.0 : bits.1) >> (5 * UInt64($0 % 8))) & 31)] })
    }

    /// ClusterIPs in the range that is set aside for benchmarks (198.18.0.0/15), port 80.
    static func frontends(_ count: Int) -> [SocketAddress] {
        (0..<count).map { number in
            let host = UInt32(198 << 24 | 18 << 16) + UInt32(number) + 1
            return SocketAddress(address: withUnsafeBytes(of: host.bigEndian) { Array($0) }, port: 80)
        }
    }

    /// Services `default/bench-1` … with these frontends, all with the same endpoints.
    static func all(_ frontends: [SocketAddress], _ endpoints: [SocketAddress]) -> [RuleService] {
        frontends.enumerated().map { number, frontend in
            RuleService(name: "default/bench-\(number + 1)", frontend: frontend, endpoints: endpoints)
        }
    }
}

/// A packet filter that kube-proxy drives: what `--against` compares with.
package enum RuleSet: String, CaseIterable, Sendable {
    case nftables
    case iptables

    /// The rules that kube-proxy would have in the kernel for these services.
    func text(_ services: [RuleService], clusterRange: String) -> String {
        switch self {
        case .nftables: NftablesRules(services, clusterRange: clusterRange).text
        case .iptables: IptablesRules.text(services, clusterRange: clusterRange)
        }
    }

    var loader: [String] {
        switch self {
        case .nftables: ["nft", "-f", "-"]
        case .iptables: ["iptables-restore"]
        }
    }

    var kind: ConnectPath.Kind {
        switch self {
        case .nftables: .nftables
        case .iptables: .iptables
        }
    }

    /// Loads the rules inside a network namespace.
    func load(_ services: [RuleService], clusterRange: String, in namespace: String) throws(LabError) {
        try Command.run(loader, in: namespace, input: text(services, clusterRange: clusterRange))
    }
}
