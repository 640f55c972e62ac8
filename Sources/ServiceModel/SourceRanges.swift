/// The clients that a load balancer's address admits (spec 24); a frontend without one admits everybody.
package struct SourceRanges: Sendable, Hashable {
    /// Of the frontend's family, sorted and distinct; nobody is admitted if there is none.
    package var ranges: [CIDR]
    /// The VIP itself is an admitted source: a range holds an address of the node, and where the VIP is bound to a
    /// device the node's own connections come from it.
    package var admitsVIP: Bool

    package init(_ ranges: [CIDR], admitsVIP: Bool = false) {
        self.ranges = ranges
        self.admitsVIP = admitsVIP
    }
}

extension SourceRanges {
    /// Every range of clients that a VIP admits, itself among them where it is one.
    package func admitted(by vip: IPAddress) -> [CIDR] {
        guard admitsVIP, let own = CIDR(network: vip, prefixLength: vip.family.bitWidth) else { return ranges }
        return ranges + [own]
    }

    /// A range as a person may write it, with white space at either end, which the API server lets pass.
    package static func range(_ text: String) -> CIDR? { CIDR.lenient(text.trimmed) }

    /// Reads `loadBalancerSourceRanges` for one family; nil if they restrict nobody.
    ///
    /// Ranges of the other family say nothing about this one, and a `/0` admits everybody. Text that is no range,
    /// which the API server does not accept, admits nobody: a typing error must not open a port to the world.
    init?(_ texts: [String], family: IPFamily, nodeAddresses: [IPAddress]) {
        let written = texts.filter { !$0.allSatisfy(\.isWhitespace) }
        let parsed = written.compactMap(Self.range)
        let own = Set(parsed.filter { $0.family == family })
        let hasMistake = parsed.count < written.count
        if own.contains(where: { $0.prefixLength == 0 }) || (own.isEmpty && !hasMistake) { return nil }
        self.init(
            own.sorted(), admitsVIP: nodeAddresses.contains { address in own.contains { $0.contains(address) } })
    }
}

extension Service {
    /// Nil if everybody is admitted.
    func sourceRanges(for family: IPFamily, on node: NodeConfiguration) -> SourceRanges? {
        SourceRanges(loadBalancerSourceRanges, family: family, nodeAddresses: node.primaryAddresses)
    }
}

extension CIDR: Comparable {
    /// By the first address, the wider range first.
    package static func < (left: CIDR, right: CIDR) -> Bool {
        (left.network, left.prefixLength) < (right.network, right.prefixLength)
    }
}

extension String {
    fileprivate var trimmed: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
