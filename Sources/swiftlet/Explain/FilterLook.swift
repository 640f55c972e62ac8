import Reporting
import ServiceModel
import SystemCalls
import SystemPackage
import Takeover

/// The hooks that a packet to an endpoint passes, and what is known of it there.
struct PacketWay {
    var endpoint: IPAddress
    var hooks: Set<PacketFilter.Hook>
    /// Those that the answers pass.
    var back: Set<PacketFilter.Hook>
    var source: IPAddress?
    var inputDevice: String?
    var outputDevice: String?

    init(to endpoint: IPAddress, at hooks: Set<PacketFilter.Hook>, back: Set<PacketFilter.Hook>) {
        self.endpoint = endpoint
        self.hooks = hooks
        self.back = back
    }

    func packet(to port: Port, _ proto: IPProtocol) -> PacketFilter.Packet {
        PacketFilter.Packet(
            source: source, destination: endpoint, port: port, proto: proto, inputDevice: inputDevice,
            outputDevice: outputDevice)
    }
}

/// The rules of netfilter in the network namespace of the calling thread, as far as they can be read.
struct FilterLook {
    let rules: PacketFilter?
    /// The tables of iptables-legacy that have rules, by family.
    private let legacy: [IPFamily: [String]]

    init() {
        let list = ToolRun.path(of: "nft").flatMap { try? ToolRun($0, ["nft", "-j", "list", "ruleset"], within: 10) }
        var rules = list.flatMap { PacketFilter(json: $0.output) }
        if rules?.lacksDevices == true, let path = ToolRun.path(of: "nft"),
            let chains = try? ToolRun(path, ["nft", "list", "chains"], within: 10)
        {
            rules?.learnDevices(from: chains.output)
        }
        self.rules = rules
        legacy = Dictionary(uniqueKeysWithValues: IPFamily.allCases.map { ($0, Self.legacyTables($0)) })
    }

    /// What was not looked at.
    ///
    /// - Parameter pid: whose network namespace it is; nil for this one's.
    func unseen(of family: IPFamily, in pid: Int32?) -> [String] {
        let prefix = pid.map { "nsenter -t \($0) -n " } ?? ""
        let tables = legacy[family] ?? []
        return (rules == nil ? ["the rules of nftables: `\(prefix)nft -j list ruleset` does not say them"] : [])
            + tables.map { "the rules of iptables-legacy: see `\(prefix)\(Self.tool(family)) -t \($0) -S`" }
    }

    private static func tool(_ family: IPFamily) -> String {
        family == .v4 ? "iptables-legacy" : "ip6tables-legacy"
    }

    /// Tables that can drop. One that a kernel has made for itself has no rules, and says so if it can be asked.
    private static func legacyTables(_ family: IPFamily) -> [String] {
        let names = "/proc/thread-self/net/\(family == .v4 ? "ip" : "ip6")_tables_names"
        let tables = (try? SystemFile.text(of: FilePath(names), atMost: 4096))?.split(separator: "\n").map(String.init)
        return (tables ?? []).filter { $0 != "nat" }.sorted().filter { table in
            let tool = tool(family)
            guard let path = ToolRun.path(of: tool),
                let run = try? ToolRun(path, [tool, "-t", table, "-S"], within: 10), run.exitCode == 0
            else { return true }
            return !run.output.split(separator: "\n").allSatisfy { $0.hasPrefix("-P ") && $0.hasSuffix(" ACCEPT") }
        }
    }
}
