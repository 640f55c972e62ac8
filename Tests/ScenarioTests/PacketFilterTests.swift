import Reporting
import ServiceModel
import Testing

/// Chains as `nft -j list ruleset` prints them.
@Suite("explain: the packet filter")
struct PacketFilterTests {
    private static let established = match(#"{"ct":{"key":"state"}}"#, #"["established","related"]"#, op: "in")
    private static let port = match(#"{"payload":{"protocol":"tcp","field":"dport"}}"#, "8080")
    private static let pods = match(
        #"{"payload":{"protocol":"ip","field":"daddr"}}"#, #"{"prefix":{"addr":"10.244.0.0","len":16}}"#)
    private static let client = match(
        #"{"payload":{"protocol":"ip","field":"saddr"}}"#, #"{"range":["198.51.100.1","198.51.100.9"]}"#)
    private static let unknown = #"{"xt":{"type":"match","name":"addrtype"}}"#

    private static func match(_ left: String, _ right: String, op: String = "==") -> String {
        #"{"match":{"op":"\#(op)","left":\#(left),"right":\#(right)}}"#
    }

    private static let drop = #"{"drop":null}"#
    private static let accept = #"{"accept":null}"#

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var rules: [[String]]
        var policy = "accept"
        var verdict: PacketFilter.Verdict
    }

    private static let name = "inet filter forward"
    private static let byRule = PacketFilter.Verdict.drops(by: "rule 1 of chain inet filter forward", chain: name)
    private static let unclear = PacketFilter.Verdict.unclear(by: "rule 1 of chain inet filter forward", chain: name)
    private static let byPolicy = PacketFilter.Verdict.drops(by: "the policy of chain inet filter forward", chain: name)

    static let cases: [Case] = [
        Case(testDescription: "no rule", rules: [], verdict: .passes),
        Case(testDescription: "the policy", rules: [[established, accept]], policy: "drop", verdict: byPolicy),
        Case(testDescription: "accepted before the policy", rules: [[port, accept]], policy: "drop", verdict: .passes),
        Case(testDescription: "the port", rules: [[pods, port, drop]], verdict: byRule),
        Case(
            testDescription: "rejected", rules: [[client, #"{"reject":{"type":"icmpx","expr":"port-unreachable"}}"#]],
            verdict: byRule),
        Case(
            testDescription: "another port",
            rules: [[match(#"{"payload":{"protocol":"tcp","field":"dport"}}"#, "80"), drop]], verdict: .passes),
        Case(
            testDescription: "all but this port",
            rules: [[match(#"{"payload":{"protocol":"tcp","field":"dport"}}"#, "8080", op: "!="), drop]],
            verdict: .passes),
        Case(
            testDescription: "one of several",
            rules: [
                [
                    match(#"{"payload":{"protocol":"tcp","field":"dport"}}"#, #"{"set":[80,{"range":[8000,8100]}]}"#),
                    drop,
                ]
            ], verdict: byRule),
        Case(
            testDescription: "another protocol", rules: [[match(#"{"meta":{"key":"l4proto"}}"#, #""udp""#), drop]],
            verdict: .passes),
        Case(
            testDescription: "the other family",
            rules: [[match(#"{"payload":{"protocol":"ip6","field":"daddr"}}"#, #""fd00::1""#), drop]], verdict: .passes),
        Case(
            testDescription: "by the device", rules: [[match(#"{"meta":{"key":"iifname"}}"#, #""eth*""#), drop]],
            verdict: byRule),
        Case(
            testDescription: "a device that is not known",
            rules: [[match(#"{"meta":{"key":"oifname"}}"#, #""cni0""#), drop]], verdict: unclear),
        Case(
            testDescription: "a named set",
            rules: [[match(#"{"payload":{"protocol":"ip","field":"saddr"}}"#, #""@bad""#), drop]], verdict: unclear),
        Case(testDescription: "a match that is not understood", rules: [[unknown, drop]], verdict: unclear),
        Case(
            testDescription: "a comment",
            rules: [[#"{"xt":{"type":"match","name":"comment"}}"#, #"{"counter":{"packets":0}}"#, drop]],
            verdict: byRule),
        Case(
            testDescription: "accepted first, perhaps", rules: [[unknown, accept]], policy: "drop",
            verdict: .unclear(by: "the policy of chain inet filter forward", chain: name)),
        Case(
            testDescription: "in another chain", rules: [[port, #"{"jump":{"target":"side"}}"#]],
            verdict: .drops(by: "rule 9 of chain inet filter side", chain: "inet filter side")),
    ]

    @Test("what becomes of a packet to an endpoint", arguments: cases)
    func verdict(sample: Case) throws {
        var entries = [
            #"{"chain":{"family":"inet","table":"filter","name":"forward","type":"filter","hook":"forward","prio":0,"policy":"\#(sample.policy)"}}"#,
            #"{"chain":{"family":"inet","table":"filter","name":"side"}}"#,
            #"{"rule":{"family":"inet","table":"filter","chain":"side","handle":9,"expr":[\#(Self.client),\#(Self.drop)]}}"#,
        ]
        entries += sample.rules.enumerated().map { index, statements in
            #"{"rule":{"family":"inet","table":"filter","chain":"forward","handle":\#(index + 1),"expr":[\#(statements.joined(separator: ","))]}}"#
        }
        let filter = try #require(PacketFilter(json: #"{"nftables":[\#(entries.joined(separator: ","))]}"#))
        let packet = PacketFilter.Packet(
            source: IPAddress("198.51.100.7"), destination: try #require(IPAddress("10.244.0.11")),
            port: try #require(Port(8080)), proto: .tcp, inputDevice: "eth0")
        #expect(filter.verdict(on: packet, at: [.forward]) == sample.verdict)
        #expect(filter.verdict(on: packet, at: [.output]) == .passes)
    }

    /// Of one chain, where what follows the first packet is asked for.
    private func later(_ stage: PacketFilter.Stage, _ rules: [String], policy: String = "accept") throws
        -> PacketFilter.Verdict
    {
        var packet = PacketFilter.Packet(
            destination: try #require(IPAddress("10.244.0.11")), port: try #require(Port(8080)), proto: .tcp,
            outputDevice: "veth7")
        packet.stage = stage
        return try filter(type: "filter", rules, policy: policy).verdict(on: packet, at: [.forward])
    }

    private func filter(type: String, _ rules: [String], policy: String = "accept") throws -> PacketFilter {
        let chain =
            #"{"chain":{"family":"inet","table":"filter","name":"forward","type":"\#(type)","hook":"forward","prio":0,"policy":"\#(policy)"}}"#
        let rule =
            #"{"rule":{"family":"inet","table":"filter","chain":"forward","handle":1,"expr":[\#(rules.joined(separator: ","))]}}"#
        return try #require(PacketFilter(json: #"{"nftables":[\#(chain),\#(rule)]}"#))
    }

    @Test("answers come from the endpoint and its device, and belong to a connection")
    func answers() throws {
        let source = Self.match(#"{"payload":{"protocol":"ip","field":"saddr"}}"#, #""10.244.0.11""#)
        let port = Self.match(#"{"payload":{"protocol":"tcp","field":"sport"}}"#, "8080")
        let device = Self.match(#"{"meta":{"key":"iifname"}}"#, #""veth7""#)
        for rule in [source, port, device] { #expect(try later(.answer, [rule, Self.drop]) == Self.byRule) }
        #expect(try later(.answer, [Self.established, Self.accept], policy: "drop") == .passes)
        #expect(
            try later(.answer, [Self.port, Self.accept], policy: "drop")
                == .unclear(by: "the policy of chain \(Self.name)", chain: Self.name))
        #expect(try later(.later, [Self.established, Self.drop]) == Self.byRule)
        #expect(try later(.first, [Self.established, Self.drop]) == .passes)
    }

    @Test("a map of verdicts is followed where its key is known")
    func verdictMaps() throws {
        let entries = #"{"set":[["established",{"accept":null}],["invalid",{"drop":null}]]}"#
        func map(_ key: String, _ data: String) -> String { #"{"vmap":{"key":\#(key),"data":\#(data)}}"# }
        let state = map(#"{"ct":{"key":"state"}}"#, entries)
        #expect(try later(.answer, [state], policy: "drop") == .passes)
        #expect(
            try later(.first, [state], policy: "drop")
                == .drops(by: "the policy of chain \(Self.name)", chain: Self.name))
        let port = map(#"{"payload":{"protocol":"tcp","field":"dport"}}"#, #"{"set":[[8080,{"drop":null}]]}"#)
        #expect(try later(.first, [port]) == Self.byRule)
        #expect(try later(.first, [map(#"{"meta":{"key":"mark"}}"#, entries)]) == Self.unclear)
        let named = map(#"{"ct":{"key":"state"}}"#, #""@states""#)
        #expect(
            try later(.answer, [named], policy: "drop")
                == .unclear(by: "the policy of chain \(Self.name)", chain: Self.name))
    }

    @Test("a rule that sends packets elsewhere is found where its matches are known")
    func diversion() throws {
        let packet = PacketFilter.Packet(
            destination: try #require(IPAddress("10.244.0.11")), port: try #require(Port(8080)), proto: .tcp)
        let elsewhere = #"{"dnat":{"addr":"10.244.0.12","port":7}}"#
        let found = try filter(type: "nat", [Self.pods, Self.port, elsewhere]).diversion(of: packet, at: [.forward])
        #expect(found?.rule == "rule 1 of chain inet filter forward")
        #expect(try filter(type: "nat", [Self.unknown, elsewhere]).diversion(of: packet, at: [.forward]) == nil)
        #expect(try filter(type: "filter", [Self.pods]).diversion(of: packet, at: [.forward]) == nil)
    }

    @Test(
        "the hooks of a device are met by what comes or leaves by it",
        arguments: [
            ("netdev", "egress", #""veth7""#, .first, true), ("netdev", "ingress", #"["veth7","eth1"]"#, .answer, true),
            ("inet", "ingress", #""eth0""#, .first, true), ("netdev", "ingress", #""veth7""#, .first, false),
            ("netdev", "egress", #""eth1""#, .first, false),
        ] as [(String, String, String, PacketFilter.Stage, Bool)])
    func devices(family: String, hook: String, devices: String, stage: PacketFilter.Stage, isMet: Bool) throws {
        let chain =
            #"{"chain":{"family":"\#(family)","table":"t","name":"c","type":"filter","hook":"\#(hook)","dev":\#(devices),"policy":"accept"}}"#
        let rule = #"{"rule":{"family":"\#(family)","table":"t","chain":"c","handle":2,"expr":[\#(Self.drop)]}}"#
        let filter = try #require(PacketFilter(json: #"{"nftables":[\#(chain),\#(rule)]}"#))
        var packet = PacketFilter.Packet(
            destination: try #require(IPAddress("10.244.0.11")), port: try #require(Port(8080)), proto: .tcp,
            inputDevice: "eth0", outputDevice: "veth7")
        packet.stage = stage
        let name = "\(family) t c"
        #expect(
            filter.verdict(on: packet, at: [.forward, .ingress, .egress])
                == (isMet ? .drops(by: "rule 2 of chain \(name)", chain: name) : .passes))
    }

    @Test("devices that are left out of the JSON are taken from the list of chains")
    func learned() throws {
        let text = #"""
            {"nftables":[
            {"chain":{"family":"netdev","table":"f","name":"c","type":"filter","hook":"egress","policy":"accept"}},
            {"rule":{"family":"netdev","table":"f","chain":"c","handle":3,"expr":[{"drop":null}]}}]}
            """#
        var filter = try #require(PacketFilter(json: text))
        let packet = PacketFilter.Packet(
            destination: try #require(IPAddress("10.244.0.11")), port: try #require(Port(8080)), proto: .tcp,
            outputDevice: "veth7")
        let rule = (title: "rule 3 of chain netdev f c", chain: "netdev f c")
        #expect(filter.lacksDevices)
        #expect(filter.verdict(on: packet, at: [.egress]) == .unclear(by: rule.title, chain: rule.chain))
        for (devices, isMet) in [
            (#"device "veth7""#, true), ("devices = { eth0, veth7 }", true), (#"device "eth0""#, false),
        ] {
            filter.learnDevices(
                from:
                    "table netdev f {\n\tchain c {\n\t\ttype filter hook egress \(devices) priority filter; policy accept;\n\t}\n}\n"
            )
            #expect(!filter.lacksDevices)
            #expect(
                filter.verdict(on: packet, at: [.egress])
                    == (isMet ? .drops(by: rule.title, chain: rule.chain) : .passes))
        }
    }

    @Test("of what is not tracked no state is known")
    func untracked() throws {
        let text = #"""
            {"nftables":[
            {"chain":{"family":"inet","table":"f","name":"p","type":"filter","hook":"prerouting","policy":"accept"}},
            {"rule":{"family":"inet","table":"f","chain":"p","handle":3,"expr":[PORT,{"notrack":null}]}},
            {"chain":{"family":"inet","table":"f","name":"c","type":"filter","hook":"forward","policy":"accept"}},
            {"rule":{"family":"inet","table":"f","chain":"c","handle":4,"expr":[STATE,{"drop":null}]}}]}
            """#
        let state = Self.match(#"{"ct":{"key":"state"}}"#, #"{"set":["established","new"]}"#, op: "!=")
        let filter = try #require(
            PacketFilter(json: text.replacing("PORT", with: Self.port).replacing("STATE", with: state)))
        var packet = PacketFilter.Packet(
            destination: try #require(IPAddress("10.244.0.11")), port: try #require(Port(8080)), proto: .tcp)
        let dropped = PacketFilter.Verdict.drops(by: "rule 4 of chain inet f c", chain: "inet f c")
        #expect(filter.verdict(on: packet, at: [.prerouting, .forward]) == dropped)
        #expect(filter.verdict(on: packet, at: [.forward]) == .passes)
        packet.stage = .answer
        #expect(filter.verdict(on: packet, at: [.prerouting, .forward]) == .passes)
    }

    @Test("what is no list of rules is none")
    func unreadable() { #expect(PacketFilter(json: "Error: syntax") == nil) }
}
