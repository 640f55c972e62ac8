import ServiceModel

/// The table that kube-proxy has in nftables: it belongs to it as a whole.
enum NftTable {
    static let name = "kube-proxy"
    /// Ours, for as long as connections need it.
    static let keeper = "swiftlet-takeover"
}

extension FoundRules {
    /// - Parameter text: what `nft list table` prints, which nft reads again.
    init(nftTable text: String, at place: RulePlace) {
        self.init(place: place)
        let lines = text.split(separator: "\n").map { $0.drop { $0 == "\t" || $0 == " " } }
        let chains = lines.count { $0.hasPrefix("chain ") }
        let maps = lines.count { $0.hasPrefix("map ") || $0.hasPrefix("set ") }
        summary = ["table \(place.keyword) \(NftTable.name): \(chains) chains, \(maps) sets and maps"]
        frontends = Self.frontends(in: text, place.family)
        nodePortAddresses = Self.nodePortAddresses(in: text, place.family)
        removal = Self.keeper(place.keyword) + "delete table \(place.keyword) \(NftTable.name)\n"
        restoration = Self.keeperRemoval(place.keyword) + text
    }

    /// The kernel translates packets of connections only as long as there is a chain for NAT, and follows connections
    /// only as long as a rule asks for them: here is one of each that do nothing else.
    private static func keeper(_ keyword: String) -> String {
        keeperRemoval(keyword) + """
            table \(keyword) \(NftTable.keeper) {
            \tchain connections {
            \t\ttype nat hook postrouting priority 110; policy accept;
            \t\tct status dnat counter
            \t}
            }

            """
    }

    /// Works whether the table is there or not.
    static func keeperRemoval(_ keyword: String) -> String {
        "add table \(keyword) \(NftTable.keeper)\ndelete table \(keyword) \(NftTable.keeper)\n"
    }

    /// The keys of the maps by which kube-proxy dispatches: `10.96.0.1 . tcp . 443 : goto …`, of NodePorts without
    /// the address.
    private static func frontends(in text: String, _ family: IPFamily) -> Set<RuleFrontend> {
        let maps: Set<Substring> = [
            "service-ips", "service-nodeports", "no-endpoint-services", "no-endpoint-nodeports",
        ]
        var found: Set<RuleFrontend> = []
        var isInside = false
        for line in text.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" }
            if words.first == "map", words.count > 1 { isInside = maps.contains(words[1]) }
            if words.first == "chain" || words.first == "set" { isInside = false }
            guard isInside else { continue }
            for element in elements(of: line) {
                let parts = element.split(separator: " ").filter { $0 != "." }.map(String.init)
                guard parts.count >= 2, let port = UInt16(parts[parts.count - 1]),
                    let proto = IPProtocol(keyword: parts[parts.count - 2])
                else { continue }
                let address = parts.count > 2 ? IPAddress(parts[0]) : nil
                found.insert(RuleFrontend(address: address, port: port, proto: proto, family: family))
            }
        }
        return found
    }

    /// The set of addresses that the rules for NodePorts ask, or all local ones.
    private static func nodePortAddresses(in text: String, _ family: IPFamily) -> Set<NodePortRange> {
        var found: Set<NodePortRange> = []
        var isInside = false
        for line in text.split(separator: "\n") {
            let words = line.split { " \t,{}=".contains($0) }
            if ["set", "map", "chain"].contains(words.first) {
                isInside = words.first == "set" && words.dropFirst().first == "nodeport-ips"
            }
            if isInside { found.formUnion(words.compactMap { CIDR(host: $0).map(NodePortRange.within) }) }
            if line.contains("@service-nodeports"), !line.contains("@nodeport-ips") { found.insert(.local(family)) }
        }
        return found
    }

    /// What stands before ` : ` in each element; a line may have several, or none.
    private static func elements(of line: Substring) -> [Substring] {
        line.split(separator: ",").compactMap { part in
            let sides = part.split(separator: " : ", maxSplits: 1)
            guard sides.count == 2 else { return nil }
            return sides[0].split(separator: "{").last?.drop { $0 == " " || $0 == "\t" }
        }
    }
}

extension IPProtocol {
    /// As rules write it.
    init?(keyword: some StringProtocol) {
        switch keyword {
        case "tcp": self = .tcp
        case "udp": self = .udp
        case "sctp": self = .sctp
        default: return nil
        }
    }
}

extension CIDR {
    /// A range, or an address alone.
    init?(host text: some StringProtocol) {
        if let range = CIDR(String(text)) {
            self = range
        } else if let address = IPAddress(String(text)) {
            self.init(network: address, prefixLength: address.family == .v4 ? 32 : 128)
        } else {
            return nil
        }
    }
}
