/// The clients that a load balancer's address admits (spec 24); a frontend without one admits everybody.
package struct SourceRanges: Sendable, Hashable {
    /// Of the frontend's family, sorted and distinct; no client is admitted if there is none.
    package var ranges: [CIDR]
    /// The VIP itself is an admitted source: a range holds an address of the node, and where the VIP is bound to a
    /// device the node's own connections come from it.
    package var admitsVIP: Bool
    /// What becomes of a pod's socket that has no address yet.
    package var pods: Pods

    package enum Pods: Sendable, Hashable {
        /// The ranges hold no address that a pod of this node may have.
        case none
        /// They hold all of them.
        case every
        /// Only its packets tell, and they are looked at.
        case byPacket
        /// Only its packets tell, and they are not looked at yet: it is refused until they are.
        case undecided
    }

    package init(_ ranges: [CIDR], admitsVIP: Bool = false, pods: Pods = .undecided) {
        self.ranges = ranges
        self.admitsVIP = admitsVIP
        self.pods = pods
    }
}

extension SourceRanges {
    /// Every range of clients that a VIP admits, itself among them where it is one.
    package func admitted(by vip: IPAddress) -> [CIDR] { ranges + [own(of: vip)].compactMap(\.self) }

    /// A VIP as a range of clients that it admits; nil where it does not admit itself.
    package func own(of vip: IPAddress) -> CIDR? {
        admitsVIP ? CIDR(network: vip, prefixLength: vip.family.bitWidth) : nil
    }

    /// A range as a person may write it, with white space at either end, which the API server lets pass.
    package static func range(_ text: String) -> CIDR? { CIDR.lenient(text.trimmed) }

    /// Reads `loadBalancerSourceRanges` for one family; nil if they restrict no client.
    ///
    /// Ranges of the other family say nothing about this one, and a `/0` admits everybody. Text that is no range,
    /// which the API server does not accept, admits no client: a typing error must not open a port to the world.
    init?(_ texts: [String], family: IPFamily, on node: NodeConfiguration) {
        let written = texts.filter { !$0.allSatisfy(\.isWhitespace) }
        let parsed = written.compactMap(Self.range)
        let own = Set(parsed.filter { $0.family == family })
        let hasMistake = parsed.count < written.count
        if own.contains(where: { $0.prefixLength == 0 }) || (own.isEmpty && !hasMistake) { return nil }
        self.init(
            own.sorted(),
            admitsVIP: node.primaryAddresses.contains { address in own.contains { $0.contains(address) } },
            pods: Self.pods(of: node.podRanges.filter { $0.family == family }, in: own, node.checksPackets))
    }

    /// - Parameter pods: where the addresses of this node's pods are; empty if that is unknown.
    private static func pods(of pods: [CIDR], in ranges: Set<CIDR>, _ checksPackets: Bool) -> Pods {
        if !pods.isEmpty {
            if pods.allSatisfy({ pod in ranges.contains { $0.contains(pod) } }) { return .every }
            if !pods.contains(where: { pod in ranges.contains { $0.overlaps(pod) } }) { return .none }
        }
        return checksPackets ? .byPacket : .undecided
    }
}

extension Service {
    /// Nil if everybody is admitted.
    func sourceRanges(for family: IPFamily, on node: NodeConfiguration) -> SourceRanges? {
        SourceRanges(loadBalancerSourceRanges, family: family, on: node)
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
