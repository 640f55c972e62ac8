package import Netlink
import SystemPackage

/// Ports from `first` to `last`.
package struct PortRange: Hashable, Sendable, CustomStringConvertible {
    package var first: UInt16
    package var last: UInt16

    /// Nil when there is no port between.
    package init?(_ first: UInt16, _ last: UInt16) {
        guard first <= last else { return nil }
        self.first = first
        self.last = last
    }

    package var count: Int { Int(last) - Int(first) + 1 }

    package var closedRange: ClosedRange<Int> { Int(first)...Int(last) }

    package func overlaps(_ other: PortRange) -> Bool { first <= other.last && other.first <= last }

    package func contains(_ other: PortRange) -> Bool { first <= other.first && other.last <= last }

    package var description: String { first == last ? "\(first)" : "\(first)-\(last)" }

    /// What Services get NodePorts from, unless an API server was told otherwise.
    package static let usualNodePorts = PortRange(first: 30_000, last: 32_767)
    /// All but those that only root may listen on.
    static let unprivileged = PortRange(first: 1_024, last: 65_535)

    private init(first: UInt16, last: UInt16) {
        self.first = first
        self.last = last
    }

    func without(_ other: PortRange) -> [PortRange] {
        guard overlaps(other) else { return [self] }
        let below = other.first > first ? PortRange(first, other.first - 1) : nil
        let above = other.last < last ? PortRange(other.last + 1, last) : nil
        return [below, above].compactMap { $0 }
    }
}

/// What the node's own connections use.
package struct LocalPorts: Hashable, Sendable {
    /// `net.ipv4.ip_local_port_range`: where the kernel takes a port from when a program asks for none.
    package var range: PortRange
    /// `net.ipv4.ip_local_reserved_ports`: what it leaves out.
    package var reserved: [PortRange]

    package init(range: PortRange, reserved: [PortRange] = []) {
        self.range = range
        self.reserved = reserved
    }

    /// Whether the kernel may take a NodePort for a connection of the node.
    func mayTake(_ nodePorts: PortRange) -> Bool {
        let left = reserved.reduce(range.common(with: nodePorts)) { left, part in left.flatMap { $0.without(part) } }
        return !left.isEmpty
    }
}

extension PortRange {
    fileprivate func common(with other: PortRange) -> [PortRange] {
        PortRange(max(first, other.first), min(last, other.last)).map { [$0] } ?? []
    }
}

/// The ports that flows which get an address of the node are given (spec 36, 52).
package struct MasqueradePorts: Hashable, Sendable {
    /// In order, and apart from each other.
    package let ranges: [PortRange]
    /// Connections of the node may have the same ones.
    package let isShared: Bool

    /// How many ranges the datapath has room for.
    package static let maxRanges = 4

    package var count: Int { ranges.reduce(0) { $0 + $1.count } }

    /// - Parameters:
    ///   - chosen: `--masquerade-ports`; empty: what neither the node's connections nor NodePorts use.
    ///   - local: nil where it cannot be read: the kernel's default is assumed.
    package init(chosen: [PortRange], nodePorts: PortRange, local: LocalPorts?) {
        let ofNode = local?.range ?? PortRange(32_768, 60_999)
        guard chosen.isEmpty else {
            ranges = chosen.sorted { $0.first < $1.first }
            isShared = chosen.contains { range in ofNode.map(range.overlaps) ?? false }
            return
        }
        let free = PortRange.unprivileged.without(nodePorts)
        let apart = ofNode.map { range in free.flatMap { $0.without(range) } } ?? free
        isShared = apart.isEmpty
        ranges = isShared ? free : apart
    }
}

// MARK: - The kernel's settings

extension SysctlTree {
    static let localPortRange = Sysctl("net", "ipv4", "ip_local_port_range")
    static let reservedPorts = Sysctl("net", "ipv4", "ip_local_reserved_ports")

    /// What connections of the calling thread's network namespace use; nil without IPv4.
    package func localPorts() throws(NetworkError) -> LocalPorts? {
        guard let text = try text(Self.localPortRange) else { return nil }
        let numbers = text.split(whereSeparator: \.isWhitespace).compactMap { UInt16($0) }
        guard numbers.count == 2, let range = PortRange(numbers[0], numbers[1]) else {
            throw NetworkError(.read, Self.localPortRange.name, .invalidArgument)
        }
        return LocalPorts(range: range, reserved: try reservedPorts())
    }

    private func reservedPorts() throws(NetworkError) -> [PortRange] {
        let text = try text(Self.reservedPorts) ?? ""
        return text.split(separator: ",").compactMap { part in
            let ends = part.split(separator: "-").compactMap { UInt16($0) }
            guard let first = ends.first, let last = ends.last else { return nil }
            return PortRange(first, last)
        }
    }
}
