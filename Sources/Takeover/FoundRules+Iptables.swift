import ServiceModel

extension FoundRules {
    /// Sorts what iptables-save printed into kube-proxy's and others'; nil if nothing is kube-proxy's.
    init?(_ saved: SavedTables, at place: RulePlace) {
        self.init(place: place)
        let all = saved.tables.map(TablePart.init)
        let parts = all.filter { !$0.isEmpty }
        guard !parts.isEmpty else { return nil }
        for part in parts { summary.append(part.summary) }
        obstacles = parts.flatMap(\.obstacles)
        obstacles += saved.unreadable.map {
            "\(place.readerName) cannot show table \($0), which was changed with nft; check it by hand"
        }
        kept = all.compactMap(\.keptForward)
        frontends = Set(parts.flatMap { $0.frontends(place.family) })
        nodePortAddresses = Set(parts.flatMap { $0.nodePortAddresses(place.family) })
        removal = Self.script(parts, first: ["nat", "mangle"], Keeper.making) { $0.removal }
        restoration = Self.script(parts, first: ["filter", "mangle"], Keeper.removing) { $0.restoration }
        foreign = Self.foreign(saved)
    }

    /// Chains, policies and rules of others, as they were printed.
    static func foreign(_ saved: SavedTables) -> String {
        saved.tables.map { TablePart($0).foreign }.joined(separator: "\n")
    }

    /// Numbers of rules that are too high for chains as they are now, made as high as they can be.
    static func fit(_ script: String, to saved: SavedTables) -> String {
        var counts: [String: Int] = [:]
        for table in saved.tables {
            for rule in table.rules { counts["\(table.name) \(rule.chain)", default: 0] += 1 }
        }
        var table = ""
        let lines = script.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            if line.first == "*" { table = String(line.dropFirst()) }
            let words = line.split(separator: " ", maxSplits: 3)
            guard words.count == 4, words[0] == "-I", let number = Int(words[2]) else { return String(line) }
            let count = counts["\(table) \(words[1])", default: 0]
            counts["\(table) \(words[1])"] = count + 1
            return "-I \(words[1]) \(min(number, count + 1)) \(words[3])"
        }
        return lines.joined(separator: "\n")
    }

    /// Removes what keeps connections, whether it is there or not.
    static var keeperRemoval: String { (["*nat"] + Keeper.removing + ["COMMIT\n"]).joined(separator: "\n") }

    /// A script of one transaction for each table. Translation goes first and comes back last: what it has translated
    /// must be let through.
    private static func script(
        _ parts: [TablePart], first: [String], _ keeper: [String], lines: (TablePart) -> [String]
    ) -> String {
        var blocks = parts.map { (name: $0.table.name, lines: lines($0)) }
        if let nat = blocks.firstIndex(where: { $0.name == "nat" }) {
            blocks[nat].lines = keeper + blocks[nat].lines
        }
        let order = blocks.enumerated().sorted { left, right in
            func rank(_ name: String) -> Int { first.firstIndex(of: name) ?? first.count }
            return (rank(left.element.name), left.offset) < (rank(right.element.name), right.offset)
        }
        return order.map { (["*\($0.element.name)"] + $0.element.lines + ["COMMIT\n"]).joined(separator: "\n") }
            .joined()
    }

    /// The kernel follows connections only as long as a rule asks for them; those that were translated are in the
    /// table nat. This chain has such a rule, and no rule
    /// jumps to it: built-in chains are left to those whose rules they hold.
    enum Keeper {
        static let chain = "SWIFTLET-TAKEOVER"
        static let making = [
            ":\(chain) - [0:0]",
            "-A \(chain) -m comment --comment \"keeps connections that kube-proxy translated\" "
                + "-m conntrack --ctstate DNAT -j RETURN",
        ]
        static let removing = [":\(chain) - [0:0]", "-X \(chain)"]
    }
}

/// kube-proxy's part of one table, and the rest.
private struct TablePart {
    let table: SavedTables.Table
    /// kube-proxy's chains that are to go.
    private let chains: [String]
    /// Places in the table's rules of what leads from the kernel's chains into kube-proxy's.
    private let jumps: [Int]
    /// Why KUBE-FORWARD stays.
    let keptForward: String?

    init(_ table: SavedTables.Table) {
        self.table = table
        let policies = Dictionary(table.chains.map { ($0.name, $0.policy) }, uniquingKeysWith: { $1 })
        let entering = table.rules.indices.filter { index in
            let rule = table.rules[index]
            return policies[rule.chain, default: nil] != nil && rule.target.map(KubeProxyChains.isEntrance) == true
        }
        let drops = policies["FORWARD", default: nil] == "DROP"
        let forwards = entering.contains { table.rules[$0].target == KubeProxyChains.forward }
        keptForward =
            drops && forwards
            ? "\(KubeProxyChains.forward) in table \(table.name): the policy of FORWARD is DROP, and it lets pass "
                + "what belongs to connections" : nil
        let stays: Set<String> = drops && forwards ? [KubeProxyChains.forward] : []
        chains = table.chains.map(\.name).filter { KubeProxyChains.contains($0) && !stays.contains($0) }
        jumps = entering.filter { table.rules[$0].target.map(stays.contains) == false }
    }

    var isEmpty: Bool { chains.isEmpty && jumps.isEmpty }

    private var ownRules: [SavedTables.Rule] {
        let names = Set(chains)
        return table.rules.filter { names.contains($0.chain) }
    }

    var summary: String {
        "\(table.name): \(chains.count) chains, \(ownRules.count) rules, \(jumps.count) jumps to them"
    }

    /// Rules of others that lead into a chain which is to go.
    var obstacles: [String] {
        let (names, known) = (Set(chains), Set(jumps))
        return table.rules.indices.compactMap { index in
            let rule = table.rules[index]
            guard !known.contains(index), !names.contains(rule.chain), let target = rule.target, names.contains(target)
            else { return nil }
            return "a rule that is not kube-proxy's leads into \(target), in table \(table.name): "
                + "-A \(rule.chain) \(rule.specification); remove it, or let it lead elsewhere"
        }
    }

    var removal: [String] {
        chains.map { ":\($0) - [0:0]" } + jumps.map { "-D \(table.rules[$0].chain) \(table.rules[$0].specification)" }
            + chains.map { "-X \($0)" }
    }

    /// The jumps in their old places among the rules of others.
    var restoration: [String] {
        chains.map { ":\($0) - [0:0]" } + ownRules.map { "-A \($0.chain) \($0.specification)" }
            + jumps.map { index in
                let rule = table.rules[index]
                return "-I \(rule.chain) \(table.position(ofRuleAt: index)) \(rule.specification)"
            }
    }

    /// Chains, policies and rules of others as they were printed.
    var foreign: String {
        let (names, gone) = (Set(chains), Set(jumps))
        let others = table.chains.filter { !names.contains($0.name) && $0.name != FoundRules.Keeper.chain }
        let rules = table.rules.indices.filter { index in
            let chain = table.rules[index].chain
            return !gone.contains(index) && !names.contains(chain) && chain != FoundRules.Keeper.chain
        }
        return
            (["*\(table.name)"] + others.map { ":\($0.name) \($0.policy ?? "-")" }
            + rules.map { "-A \(table.rules[$0].chain) \(table.rules[$0].specification)" }).joined(separator: "\n")
    }

    // MARK: What they serve

    private static let dispatchers: Set<String> = ["KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS"]

    func frontends(_ family: IPFamily) -> [RuleFrontend] {
        table.rules.filter { Self.dispatchers.contains($0.chain) }.compactMap { rule in
            let words = rule.words
            guard let port = Self.value("--dport", in: words).flatMap({ UInt16($0) }),
                let proto = Self.value("-p", in: words).flatMap({ IPProtocol(keyword: $0) })
            else { return nil }
            let destination = Self.value("-d", in: words)?.split(separator: "/").first.flatMap { IPAddress(String($0)) }
            // In the filter table NodePorts are for load balancers' health checks: no Service is behind them.
            guard
                destination != nil || (rule.chain == "KUBE-NODEPORTS" && table.name == "nat")
                    || words.contains("REJECT")
            else { return nil }
            return RuleFrontend(address: destination, port: port, proto: proto, family: family)
        }
    }

    /// `-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`, or `-d RANGE` in place of the type.
    func nodePortAddresses(_ family: IPFamily) -> [NodePortRange] {
        guard table.name == "nat" else { return [] }
        return table.rules.filter { $0.chain == "KUBE-SERVICES" && $0.target == "KUBE-NODEPORTS" }.compactMap { rule in
            guard let range = Self.value("-d", in: rule.words) else { return .local(family) }
            return CIDR(host: range).map(NodePortRange.within)
        }
    }

    private static func value(_ option: String, in words: [String]) -> String? {
        guard let place = words.firstIndex(of: option), words.indices.contains(place + 1) else { return nil }
        return words[place + 1]
    }
}
