import ConnectBenchmark
import Foundation
import NetworkLab
import TestKit

/// Rules of kube-proxy in the network namespace of a test's node, with rules of others around them.
struct KubeProxyRules {
    enum Tool: String, CaseIterable, Sendable {
        case nft
        case iptablesNFT = "iptables-nft"
        case iptablesLegacy = "iptables-legacy"
    }

    let tool: Tool
    let namespace: String

    init(_ tool: Tool, in namespace: String) throws {
        self.tool = tool
        self.namespace = namespace
        for family in IPVersion.allCases {
            // Others are there whichever tool kube-proxy uses.
            let others: Tool = tool == .nft ? .iptablesNFT : tool
            let range = TakenServices.podRange(family)
            try restore(ForeignIptables.before(clusterRange: range), family, others)
            switch tool {
            case .nft: try TakenServices.nftables(family).load(in: namespace)
            case .iptablesNFT, .iptablesLegacy: try restore(TakenServices.iptables(family), family, tool)
            }
            try restore(ForeignIptables.after, family, others)
        }
    }

    /// Removes all rules of everybody.
    func clear() throws {
        try Command.run(["nft", "flush", "ruleset"], in: namespace)
        for family in IPVersion.allCases where tool == .iptablesLegacy {
            try Command.run(
                [name(family, .iptablesLegacy, "restore")], in: namespace,
                input: ["nat", "filter", "mangle"].map { "*\($0)\nCOMMIT\n" }.joined())
        }
    }

    private func name(_ family: IPVersion, _ tool: Tool, _ verb: String) -> String {
        (family == .v4 ? "iptables-" : "ip6tables-") + tool.rawValue.dropFirst(9) + "-\(verb)"
    }

    func restore(_ script: String, _ family: IPVersion, _ tool: Tool) throws {
        try Command.run([name(family, tool, "restore"), "--noflush"], in: namespace, input: script)
    }

    /// Everything that is there, byte for byte but for the time, the counters and the order in which tables were made.
    func everything() throws -> [String] {
        let tables = try Command.run(["nft", "list", "tables"], in: namespace).split(separator: "\n").sorted()
        var lines = tables.map(String.init)
        for table in tables where table.hasSuffix(" kube-proxy") {
            let words = table.split(separator: " ").map(String.init)
            lines += try Command.run(["nft", "list"] + words, in: namespace).split(separator: "\n").map(String.init)
        }
        for family in IPVersion.allCases {
            for tool in [Tool.iptablesNFT, .iptablesLegacy] {
                lines.append("\(tool.rawValue) \(family)")
                // A warning about tables of the other kind would stand in the middle of a line.
                lines += try Command.run(["sh", "-c", "\(name(family, tool, "save")) 2>/dev/null"], in: namespace)
                    .split(separator: "\n")
                    .filter { !$0.hasPrefix("#") }.map(String.init)
            }
        }
        return lines.map { $0.replacing(/\[\d+:\d+\]/, with: "[]") }
    }

    private static let names = [
        "SERVICES", "EXTERNAL-SERVICES", "NODEPORTS", "POSTROUTING", "MARK-MASQ", "FORWARD", "PROXY-FIREWALL",
        "PROXY-CANARY",
    ]

    private static func isKubeProxys(_ chain: some StringProtocol) -> Bool {
        names.contains { chain == "KUBE-\($0)" }
            || ["SVC", "SVL", "SEP", "EXT", "FW"].contains { chain.hasPrefix("KUBE-\($0)-") }
    }

    /// What iptables shows that is not kube-proxy's: by the chain that a line makes or fills, and that it leads to at its
    /// end.
    func foreign() throws -> [String] {
        let all = try everything()
        guard let start = all.firstIndex(where: { $0.hasPrefix("iptables-nft ") }) else { return [] }
        return all[start...].filter { line in
            let words = line.split(separator: " ")
            let chain = line.hasPrefix(":") ? words.first?.dropFirst() : words.dropFirst().first
            let target = words.count > 2 && words[words.count - 2] == "-j" ? words.last : nil
            let isOurs = chain == "SWIFTLET-TAKEOVER"
            return !isOurs && !(chain.map(Self.isKubeProxys) ?? false) && !(target.map(Self.isKubeProxys) ?? false)
        }
    }

    /// How many chains and tables of kube-proxy there are.
    func ownCount() throws -> Int {
        try everything().count {
            $0.hasPrefix(":KUBE-S") || $0.hasPrefix(":KUBE-PROXY") || $0.hasPrefix("table ip kube-proxy")
                || $0.hasPrefix("table ip6 kube-proxy")
        }
    }
}
