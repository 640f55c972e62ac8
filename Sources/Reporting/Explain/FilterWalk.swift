import ServiceModel

/// One packet's way through the chains of a hook.
struct FilterWalk {
    private enum Truth: Int, Comparable {
        case no, maybe, yes

        init(_ isTrue: Bool) { self = isTrue ? .yes : .no }

        static prefix func ! (truth: Truth) -> Truth { Truth(rawValue: 2 - truth.rawValue) ?? .maybe }
        static func < (left: Truth, right: Truth) -> Bool { left.rawValue < right.rawValue }
    }

    private enum End {
        case accepted
        case dropped(by: String, chain: String)
        case goesOn
    }

    private enum Action {
        case accept, drop, end
        /// One of these.
        case unknown
        case jump(String, returns: Bool)
    }

    let packet: PacketFilter.Packet
    let chains: [String: PacketFilter.Chain]
    /// A rule that was not understood may have let the packet pass.
    private var mayBeAccepted = false
    /// A rule that may drop it.
    private var suspect: (rule: String, chain: String)?
    private static let deepest = 16

    init(packet: PacketFilter.Packet, chains: [String: PacketFilter.Chain]) {
        self.packet = packet
        self.chains = chains
    }

    mutating func verdict(of chain: PacketFilter.Chain) -> PacketFilter.Verdict {
        var end = run(chain, isCertain: true, depth: 0)
        if case .goesOn = end, chain.dropsByPolicy {
            end = .dropped(by: "the policy of chain \(chain.name)", chain: chain.name)
        }
        if case .dropped(let rule, let name) = end {
            return mayBeAccepted ? .unclear(by: rule, chain: name) : .drops(by: rule, chain: name)
        }
        return suspect.map { .unclear(by: $0.rule, chain: $0.chain) } ?? .passes
    }

    /// Whether a rule is sure to keep the packet's connection from being tracked.
    func untracks(_ rule: PacketFilter.Rule) -> Bool {
        rule.statements.contains { $0.statement?.name == "notrack" } && judge(rule).0 == .yes
    }

    private mutating func run(_ chain: PacketFilter.Chain, isCertain: Bool, depth: Int) -> End {
        if depth > Self.deepest { return .goesOn }
        for rule in chain.rules {
            let (truth, action) = judge(rule)
            guard truth != .no, let action else { continue }
            let holds = isCertain && truth == .yes
            let title = "rule \(rule.handle) of chain \(chain.name)"
            switch action {
            case .accept:
                if holds { return .accepted }
                mayBeAccepted = true
            case .drop:
                if holds { return .dropped(by: title, chain: chain.name) }
                suspect = suspect ?? (title, chain.name)
            case .unknown:
                mayBeAccepted = true
                suspect = suspect ?? (title, chain.name)
            case .end:
                if holds { return .goesOn }
                // What follows may not be asked.
                mayBeAccepted = true
            case .jump(let name, let returns):
                guard let target = chains["\(chain.table) \(name)"] else { continue }
                switch run(target, isCertain: holds, depth: depth + 1) {
                case .accepted: if holds { return .accepted }
                case .dropped(let rule, let name): if holds { return .dropped(by: rule, chain: name) }
                case .goesOn: if holds && !returns { return .goesOn }
                }
            }
        }
        return .goesOn
    }

    private func judge(_ rule: PacketFilter.Rule) -> (Truth, Action?) {
        var truth = Truth.yes
        var action: Action?
        for (name, value) in rule.statements.compactMap(\.statement) {
            switch name {
            case "match": truth = min(truth, holds(value))
            case "accept": action = .accept
            // Of chains that translate addresses: the packet does not get where it was sent.
            case "drop", "reject", "dnat", "redirect": action = .drop
            case "return": action = .end
            case "jump", "goto": action = value["target"]?.text.map { .jump($0, returns: name == "jump") }
            case "xt":
                switch (value["type"]?.text, value["name"]?.text) {
                case ("match", "comment"): break
                case ("target", "REJECT"), ("target", "DROP"), ("target", "DNAT"), ("target", "REDIRECT"):
                    action = .drop
                case ("target", _): break
                default: truth = min(truth, .maybe)
                }
            case "counter", "log", "mangle", "notrack", "comment": break
            case "vmap":
                let (fits, found) = choice(value)
                (truth, action) = (min(truth, fits), found)
            case "queue": action = .unknown
            default: truth = min(truth, .maybe)
            }
            if truth == .no { return (.no, nil) }
        }
        return (truth, action)
    }

    /// What a map of verdicts says: `ct state vmap { established : accept, invalid : drop }`.
    private func choice(_ map: JSONValue) -> (Truth, Action?) {
        guard let key = map["key"]?.statement, let entries = map["data"]?["set"]?.list else { return (.yes, .unknown) }
        for entry in entries.compactMap(\.list) where entry.count == 2 {
            switch fits(key.name, key.value, entry[0]) {
            case .no: continue
            case .maybe: return (.yes, .unknown)
            case .yes: break
            }
            guard let (name, value) = entry[1].statement else { return (.yes, .unknown) }
            switch name {
            case "accept": return (.yes, .accept)
            case "drop": return (.yes, .drop)
            case "return": return (.yes, .end)
            case "continue": return (.no, nil)
            case "jump", "goto": return (.yes, value["target"]?.text.map { .jump($0, returns: name == "jump") })
            default: return (.yes, .unknown)
            }
        }
        return (.no, nil)
    }

    private func holds(_ match: JSONValue) -> Truth {
        guard let left = match["left"]?.statement, let right = match["right"] else { return .maybe }
        let truth = fits(left.name, left.value, right)
        switch match["op"]?.text {
        case "==", "in": return truth
        case "!=": return !truth
        default: return .maybe
        }
    }

    private func fits(_ kind: String, _ left: JSONValue, _ right: JSONValue) -> Truth {
        switch kind {
        case "payload":
            return field(left["protocol"]?.text ?? "", left["field"]?.text ?? "", right)
        case "meta":
            switch left["key"]?.text {
            case "iifname", "iif": return device(isAnswer ? packet.outputDevice : packet.inputDevice, right)
            case "oifname", "oif": return device(isAnswer ? packet.inputDevice : packet.outputDevice, right)
            case "l4proto": return any(right, isProtocol)
            case "nfproto": return any(right) { Truth($0.text == (isV4 ? "ipv4" : "ipv6")) }
            default: return .maybe
            }
        case "ct" where left["key"]?.text == "state":
            // The other one of the two directions may be tracked.
            if packet.isUntracked { return any(right) { $0.text == "untracked" ? .maybe : .no } }
            let state = packet.stage == .first ? "new" : "established"
            return any(right) { Truth($0.text == state) }
        default: return .maybe
        }
    }

    private var isV4: Bool { packet.destination.family == .v4 }
    private var isAnswer: Bool { packet.stage == .answer }
    /// The field that has the endpoint's port.
    private var ownPort: String { isAnswer ? "sport" : "dport" }

    private func field(_ header: String, _ name: String, _ right: JSONValue) -> Truth {
        switch (header, name) {
        case ("ip", _) where !isV4, ("ip6", _) where isV4: return .no
        case ("ip", "saddr"), ("ip6", "saddr"):
            return any(right) { address(isAnswer ? packet.destination : packet.source, $0) }
        case ("ip", "daddr"), ("ip6", "daddr"):
            return any(right) { address(isAnswer ? packet.source : packet.destination, $0) }
        case ("ip", "protocol"), ("ip6", "nexthdr"): return any(right, isProtocol)
        case ("tcp", _) where packet.proto != .tcp, ("udp", _) where packet.proto != .udp: return .no
        case ("tcp", ownPort), ("udp", ownPort), ("th", ownPort):
            return any(right) { range($0, of: \.number, Int(packet.port.number)) }
        default: return .maybe
        }
    }

    /// The best of several alternatives.
    private func any(_ right: JSONValue, _ fits: (JSONValue) -> Truth) -> Truth {
        if right.text?.hasPrefix("@") == true { return .maybe }
        guard let several = right["set"]?.list ?? right.list else { return fits(right) }
        return several.map(fits).max() ?? .no
    }

    private func isProtocol(_ value: JSONValue) -> Truth {
        if let number = value.number { return Truth(number == Int(packet.proto.rawValue)) }
        return value.text.map { Truth($0.uppercased() == "\(packet.proto)") } ?? .maybe
    }

    private func address(_ own: IPAddress?, _ value: JSONValue) -> Truth {
        guard let own else { return .maybe }
        if let prefix = value["prefix"] {
            guard let network = prefix["addr"]?.text.flatMap({ IPAddress($0) }), let length = prefix["len"]?.number,
                let range = CIDR(network: network, prefixLength: length)
            else { return .maybe }
            return Truth(range.contains(own))
        }
        return range(value, of: { $0.text.flatMap { IPAddress($0) } }, own)
    }

    private func range<Value: Comparable>(_ value: JSONValue, of read: (JSONValue) -> Value?, _ own: Value) -> Truth {
        if let ends = value["range"]?.list, ends.count == 2 {
            guard let first = read(ends[0]), let last = read(ends[1]), first <= last else { return .maybe }
            return Truth((first...last).contains(own))
        }
        return read(value).map { Truth($0 == own) } ?? .maybe
    }

    /// A name may end in a star.
    private func device(_ own: String?, _ right: JSONValue) -> Truth {
        guard let own else { return .maybe }
        return any(right) { value in
            guard let name = value.text else { return .maybe }
            return Truth(name.hasSuffix("*") ? own.hasPrefix(name.dropLast()) : own == name)
        }
    }
}
