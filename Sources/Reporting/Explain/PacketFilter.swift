import FoundationEssentials
package import ServiceModel

/// The filters of nftables, as `nft -j list ruleset` prints them, to be asked what becomes of the first packet of a
/// connection. What of a rule is not understood makes the answer unclear, not wrong.
package struct PacketFilter {
    package enum Hook: String, Sendable {
        case prerouting, input, forward, output, postrouting
        /// Of one device: of what comes by it, and of what leaves by it.
        case ingress, egress
    }

    /// Which of a connection's packets.
    package enum Stage: String, Sendable, Hashable, Codable {
        case first, later, answer
    }

    /// As the client sends it. That of an answer is the same the other way round.
    package struct Packet: Sendable {
        /// Nil where it is not known; the same holds for the devices.
        package var source: IPAddress?
        package var destination: IPAddress
        package var port: Port
        package var proto: IPProtocol
        package var inputDevice: String?
        package var outputDevice: String?
        package var stage = Stage.first
        /// A rule keeps the kernel from tracking its connection.
        var isUntracked = false

        package init(
            source: IPAddress? = nil, destination: IPAddress, port: Port, proto: IPProtocol, inputDevice: String? = nil,
            outputDevice: String? = nil
        ) {
            self.source = source
            self.destination = destination
            self.port = port
            self.proto = proto
            self.inputDevice = inputDevice
            self.outputDevice = outputDevice
        }
    }

    package enum Verdict: Sendable, Hashable {
        case passes
        /// By what: `rule 5 of chain inet filter forward`.
        case drops(by: String, chain: String)
        /// It may be dropped by this.
        case unclear(by: String, chain: String)
    }

    struct Chain {
        /// `inet filter forward`, as `nft list chain` takes it.
        var name: String
        /// `inet filter`: what the names of other chains in its rules are in.
        var table: String
        var family: String
        var hook: Hook?
        /// Of ingress and egress; nil where they are not told.
        var devices: [String]?
        var isFilter: Bool
        var dropsByPolicy: Bool
        var rules: [Rule] = []
    }

    struct Rule {
        var handle: Int
        var statements: [JSONValue]
    }

    private(set) var chains: [String: Chain] = [:]

    /// Nil for what is no such list.
    package init?(json: String) {
        guard let root = try? JSONDecoder().decode(JSONValue.self, from: Data(json.utf8)),
            let entries = root["nftables"]?.list
        else { return nil }
        for chain in entries.compactMap({ $0["chain"] }) {
            guard let table = chain.table, let name = chain["name"]?.text else { continue }
            chains["\(table) \(name)"] = Chain(
                name: "\(table) \(name)", table: table, family: chain["family"]?.text ?? "",
                hook: chain["hook"]?.text.flatMap { Hook(rawValue: $0) },
                devices: chain["dev"]?.texts, isFilter: chain["type"]?.text == "filter",
                dropsByPolicy: chain["policy"]?.text == "drop")
        }
        for rule in entries.compactMap({ $0["rule"] }) {
            guard let table = rule.table, let chain = rule["chain"]?.text else { continue }
            chains["\(table) \(chain)"]?.rules.append(
                Rule(handle: rule["handle"]?.number ?? 0, statements: rule["expr"]?.list ?? []))
        }
    }

    /// Chains of devices that are not told: nft up to 1.0.6 leaves them out of its JSON.
    package var lacksDevices: Bool { chains.values.contains { $0.isOfUnknownDevice } }

    /// Takes the devices of chains from what `nft list chains` prints.
    package mutating func learnDevices(from text: String) {
        var (table, chain) = ("", "")
        for line in text.split(separator: "\n") {
            let words = line.split { " \t\",{};=".contains($0) }.map(String.init)
            switch words.first {
            case "table": table = words.dropFirst().joined(separator: " ")
            case "chain": chain = words.dropFirst().joined(separator: " ")
            case "type":
                let rest = words.drop { $0 != "device" && $0 != "devices" }.dropFirst()
                let devices = Array(rest.prefix { $0 != "priority" })
                if !devices.isEmpty { chains["\(table) \(chain)"]?.devices = devices }
            default: break
            }
        }
    }

    /// What becomes of a packet that passes these hooks.
    package func verdict(on packet: Packet, at hooks: Set<Hook>) -> Verdict {
        var unclear: Verdict?
        var packet = packet
        packet.isUntracked = isUntracked(packet, at: hooks)
        for chain in met(by: packet, at: hooks, isFilter: true) {
            var walk = FilterWalk(packet: packet, chains: chains)
            switch walk.verdict(of: chain) {
            case .passes: break
            case .unclear(let rule, let chain): unclear = unclear ?? .unclear(by: rule, chain: chain)
            case .drops(let rule, let name) where chain.isOfUnknownDevice:
                unclear = unclear ?? .unclear(by: rule, chain: name)
            case .drops(let rule, let chain): return .drops(by: rule, chain: chain)
            }
        }
        return unclear ?? .passes
    }

    /// The rule that sends the first packet of a connection to another address; nil where none is sure to.
    package func diversion(of packet: Packet, at hooks: Set<Hook>) -> (rule: String, chain: String)? {
        for chain in met(by: packet, at: hooks, isFilter: false) {
            var walk = FilterWalk(packet: packet, chains: chains)
            if case .drops(let rule, let chain) = walk.verdict(of: chain) { return (rule, chain) }
        }
        return nil
    }

    private func isUntracked(_ packet: Packet, at hooks: Set<Hook>) -> Bool {
        met(by: packet, at: hooks.intersection([.prerouting, .output]), isFilter: true).contains { chain in
            let walk = FilterWalk(packet: packet, chains: chains)
            return chain.rules.contains(where: walk.untracks)
        }
    }

    private func met(by packet: Packet, at hooks: Set<Hook>, isFilter: Bool) -> [Chain] {
        let families = [packet.destination.family == .v4 ? "ip" : "ip6", "inet", "netdev"]
        return chains.values.filter { chain in
            guard let hook = chain.hook, hooks.contains(hook) else { return false }
            return chain.isFilter == isFilter && families.contains(chain.family)
                && packet.passes(hook, of: chain.devices)
        }.sorted { $0.name < $1.name }
    }
}

extension PacketFilter.Packet {
    /// Whether it comes by a device of the hook, or leaves by one. The hooks of devices that are not known are left out.
    fileprivate func passes(_ hook: PacketFilter.Hook, of devices: [String]?) -> Bool {
        let isAnswer = stage == .answer
        let device: String?
        switch hook {
        case .ingress: device = isAnswer ? outputDevice : inputDevice
        case .egress: device = isAnswer ? inputDevice : outputDevice
        case .prerouting, .input, .forward, .output, .postrouting: return true
        }
        return device.map { devices?.contains($0) ?? true } ?? false
    }
}

extension PacketFilter.Chain {
    fileprivate var isOfUnknownDevice: Bool { devices == nil && (hook == .ingress || hook == .egress) }
}

/// Any JSON.
enum JSONValue: Decodable {
    case null
    case flag(Bool)
    case number(Int)
    case text(String)
    case list([JSONValue])
    case map([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let flag = try? value.decode(Bool.self) {
            self = .flag(flag)
        } else if let number = try? value.decode(Int.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let list = try? value.decode([JSONValue].self) {
            self = .list(list)
        } else {
            self = .map((try? value.decode([String: JSONValue].self)) ?? [:])
        }
    }

    subscript(_ key: String) -> JSONValue? { if case .map(let members) = self { members[key] } else { nil } }
    var text: String? { if case .text(let text) = self { text } else { nil } }
    var number: Int? { if case .number(let number) = self { number } else { nil } }
    /// One text, or several in a list.
    var texts: [String]? { list?.compactMap(\.text) ?? text.map { [$0] } }
    var list: [JSONValue]? { if case .list(let list) = self { list } else { nil } }

    /// The one member of a statement, and what it says.
    var statement: (name: String, value: JSONValue)? {
        if case .map(let members) = self, let first = members.first { (first.key, first.value) } else { nil }
    }

    /// Of a chain or a rule: `inet filter`.
    fileprivate var table: String? {
        guard let family = self["family"]?.text, let table = self["table"]?.text else { return nil }
        return "\(family) \(table)"
    }
}
