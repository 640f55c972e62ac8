import CRtnetlink
import Glibc
import Netlink
package import ServiceModel
import SystemPackage

/// A rule of the kernel's IPsec (xfrm) about packets that leave or pass.
package struct IPsecPolicy: Hashable, Sendable {
    package enum Action: String, Hashable, Sendable {
        /// Packets are dropped.
        case block
        /// They leave encrypted, or arrived so.
        case protect
        /// They go in clear.
        case pass
    }

    package var source: CIDR
    package var destination: CIDR
    package var action: Action
    /// The lowest counts.
    package var priority: UInt32
    /// Whether it is about certain ports, a protocol, a device or a user only.
    package var isNarrow: Bool

    package init(source: CIDR, destination: CIDR, action: Action, priority: UInt32 = 0, isNarrow: Bool = false) {
        self.source = source
        self.destination = destination
        self.action = action
        self.priority = priority
        self.isNarrow = isNarrow
    }
}

extension Sequence<IPsecPolicy> {
    /// Where packets with an address of this node may not simply go, in order. What a policy says of ports and protocols
    /// does not count: rather closed than clear.
    package func closedRanges(for addresses: some Sequence<IPAddress>) -> [CIDR] {
        let addresses = Array(addresses)
        let passing = filter { $0.action == .pass && !$0.isNarrow }
        let ranges = filter { policy in
            policy.action != .pass && addresses.contains(where: policy.source.contains)
                && !passing.contains { $0.isAbove(policy, for: addresses) }
        }.map(\.destination)
        return Set(ranges).sorted { ($0.network, $0.prefixLength) < ($1.network, $1.prefixLength) }
    }
}

extension IPsecPolicy {
    /// Whether the kernel never comes to the other one.
    fileprivate func isAbove(_ other: IPsecPolicy, for addresses: [IPAddress]) -> Bool {
        priority < other.priority && destination.prefixLength <= other.destination.prefixLength
            && destination.contains(other.destination.network)
            && addresses.allSatisfy { !other.source.contains($0) || source.contains($0) }
    }
}

// MARK: - Asking the kernel

/// Asks about the policies of the network namespace of the thread that makes it; a class, for it may be missing.
final class IPsecSocket: Sendable {
    let netlink: NetlinkSocket

    /// - Parameter follows: changes are told as well, without being asked for.
    init(follows: Bool = false) throws(NetworkError) {
        let group: Int32 = follows ? 1 << (Int32(XFRMNLGRP_POLICY.rawValue) - 1) : 0
        netlink = try NetlinkSocket(groups: group, protocol: NETLINK_XFRM)
    }

    private static let attempts = 20

    /// All policies about what leaves or passes, in the kernel's order.
    func policies() throws(NetworkError) -> [IPsecPolicy] {
        for _ in 0..<Self.attempts {
            var policies: [IPsecPolicy] = []
            let request = NetlinkRequest(XFRM_MSG_GETPOLICY, flags: NLM_F_ROOT | NLM_F_MATCH, rtgenmsg())
            let isWhole = try netlink.ask(request, for: "IPsec policies") { message in
                if let policy = IPsecPolicy(message) { policies.append(policy) }
            }
            if isWhole { return policies }
        }
        throw NetworkError(.read, "IPsec policies", .resourceTemporarilyUnavailable)
    }
}

extension NetworkError {
    /// The kernel was built without IPsec.
    var meansNoIPsec: Bool { cause == .protocolNotSupported || cause == .connectionRefused }
}

extension IPsecPolicy {
    /// Nil for a message about something else.
    fileprivate init?(_ message: NetlinkMessage) {
        guard message.type == XFRM_MSG_NEWPOLICY, let head = xfrm_userpolicy_info(message.payload),
            [Int(XFRM_POLICY_OUT), Int(XFRM_POLICY_FWD)].contains(Int(head.dir)),
            let family = IPFamily(addressFamily: Int32(head.sel.family)),
            let source = CIDR(family, head.sel.saddr, head.sel.prefixlen_s),
            let destination = CIDR(family, head.sel.daddr, head.sel.prefixlen_d)
        else { return nil }
        let attributes = NetlinkAttributes(bytes: message.payload.dropFirst(MemoryLayout<xfrm_userpolicy_info>.size))
        let hasTemplates = attributes[XFRMA_TMPL.rawValue].map { !$0.isEmpty } ?? false
        let sel = head.sel
        self.init(
            source: source, destination: destination,
            action: head.action == XFRM_POLICY_BLOCK ? .block : hasTemplates ? .protect : .pass,
            priority: head.priority,
            isNarrow: sel.proto != 0 || sel.sport_mask != 0 || sel.dport_mask != 0 || sel.ifindex != 0 || sel.user != 0
                || head.dir != XFRM_POLICY_OUT)
    }
}

extension xfrm_userpolicy_info {
    /// Nil when there are too few bytes. Its size is a multiple of four, so attributes follow at once.
    fileprivate init?(_ bytes: ArraySlice<UInt8>) {
        let size = MemoryLayout<xfrm_userpolicy_info>.size
        guard bytes.count >= size else { return nil }
        self.init()
        withUnsafeMutableBytes(of: &self) { $0.copyBytes(from: bytes.prefix(size)) }
    }
}

extension CIDR {
    /// The kernel keeps an IPv4 address in the first bytes.
    fileprivate init?(_ family: IPFamily, _ address: xfrm_address_t, _ length: UInt8) {
        let bytes = withUnsafeBytes(of: address) { Array($0) }
        guard let network = IPAddress(networkOrder: bytes.prefix(family.bitWidth / 8)) else { return nil }
        self.init(network: network, prefixLength: Int(length))
    }
}
