package import ServiceModel

/// What kube-proxy has in one place, and the scripts that remove it and put it back.
package struct FoundRules: Sendable, Equatable {
    package let place: RulePlace
    /// What there is, for people: `nat: 12 chains, 30 rules`.
    package var summary: [String] = []
    /// What these rules translate, or refuse for want of an endpoint.
    package var frontends: Set<RuleFrontend> = []
    /// The local addresses to which NodePorts are served; empty if they are to none.
    package var nodePortAddresses: Set<NodePortRange> = []
    /// Why they cannot be removed; empty when they can.
    package var obstacles: [String] = []
    /// What stays although it is kube-proxy's, and why.
    package var kept: [String] = []
    /// For the place's tool. Connections that these rules have translated go on.
    package var removal = ""
    /// For the same tool: puts back all that the removal takes, where it was.
    package var restoration = ""
    /// What is there of others: it must be the same afterwards.
    package var foreign = ""
}

/// Addresses to which rules serve NodePorts.
package enum NodePortRange: Hashable, Sendable {
    /// All local addresses of a family.
    case local(IPFamily)
    case within(CIDR)

    /// Whether a local address is among them.
    package func contains(_ address: IPAddress) -> Bool {
        switch self {
        case .local(let family): address.family == family
        case .within(let range): range.contains(address)
        }
    }
}

/// A front door that kube-proxy's rules have.
package struct RuleFrontend: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Nil of a NodePort.
    package var address: IPAddress?
    package var port: UInt16
    package var proto: IPProtocol
    package var family: IPFamily

    package init(address: IPAddress?, port: UInt16, proto: IPProtocol, family: IPFamily) {
        self.address = address
        self.port = port
        self.proto = proto
        self.family = family
    }

    package var description: String {
        switch (address, family) {
        case (let address?, .v4): "\(address):\(port)/\(proto)"
        case (let address?, .v6): "[\(address)]:\(port)/\(proto)"
        case (nil, _): "NodePort \(port)/\(proto)"
        }
    }

    package static func < (left: RuleFrontend, right: RuleFrontend) -> Bool {
        if left.family != right.family { return left.family.rawValue < right.family.rawValue }
        switch (left.address, right.address) {
        case (nil, _?): return false
        case (_?, nil): return true
        case (let first?, let second?) where first != second: return first < second
        default: return (left.port, left.proto) < (right.port, right.proto)
        }
    }
}

extension RulePlace {
    /// Looks for rules of kube-proxy; nil where there are none, or where the tool is not installed.
    package func find() throws(TakeoverError) -> FoundRules? {
        guard let reader else { return nil }
        switch tool {
        case .nft:
            let tables = try ToolRun.output(of: reader, [readerName, "list", "tables"])
            guard tables.split(separator: "\n").contains("table \(keyword) \(NftTable.name)") else { return nil }
            let table = try ToolRun.output(of: reader, [readerName, "list", "table", keyword, NftTable.name])
            return FoundRules(nftTable: table, at: self)
        case .iptablesNFT, .iptablesLegacy:
            return FoundRules(try SavedTables(ToolRun.output(of: reader, [readerName])), at: self)
        }
    }
}
