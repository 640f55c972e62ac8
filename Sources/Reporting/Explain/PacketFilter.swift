import FoundationEssentials
package import ServiceModel

/// The filters of nftables, as `nft -j list ruleset` prints them, to be asked what becomes of the first packet of a
/// connection. What of a rule is not understood makes the answer unclear, not wrong.
package struct PacketFilter {
    package enum Hook: String, Sendable {
        case prerouting, input, forward, output, postrouting
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
                hook: chain["hook"]?.text.flatMap { Hook(rawValue: $0) }, isFilter: chain["type"]?.text == "filter",
                dropsByPolicy: chain["policy"]?.text == "drop")
        }
        for rule in entries.compactMap({ $0["rule"] }) {
            guard let table = rule.table, let chain = rule["chain"]?.text else { continue }
            chains["\(table) \(chain)"]?.rules.append(
                Rule(handle: rule["handle"]?.number ?? 0, statements: rule["expr"]?.list ?? []))
        }
    }

    /// What becomes of a packet that passes these hooks.
    package func verdict(on packet: Packet, at hooks: Set<Hook>) -> Verdict {
        var unclear: Verdict?
        for chain in met(by: packet, at: hooks, isFilter: true) {
            var walk = FilterWalk(packet: packet, chains: chains)
            switch walk.verdict(of: chain) {
            case .passes: break
            case .unclear(let rule, let chain): unclear = unclear ?? .unclear(by: rule, chain: chain)
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

    private func met(by packet: Packet, at hooks: Set<Hook>, isFilter: Bool) -> [Chain] {
        let families = packet.destination.family == .v4 ? ["ip", "inet"] : ["ip6", "inet"]
        return chains.values.filter { chain in
            chain.isFilter == isFilter && families.contains(chain.family) && chain.hook.map(hooks.contains) == true
        }.sorted { $0.name < $1.name }
    }
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
