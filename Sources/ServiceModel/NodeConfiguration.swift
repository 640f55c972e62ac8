/// What compiling needs to know of the node that it compiles for.
public struct NodeConfiguration: Sendable, Hashable {
    /// Endpoints with this node name are local (spec 8); empty if unknown.
    public var name: String
    /// The node's zone; hints count only if it is known (spec 15).
    public var zone: String?
    /// Where NodePorts are served (spec 21).
    public var nodePortAddresses: [NodePortAddress]
    /// The Node object's first address of each family, or all local ones without it, for source ranges (spec 24).
    public var primaryAddresses: [IPAddress]
    /// Nil for the default proxy; otherwise only Services that carry this name are ours (spec 2).
    public var proxyName: String?

    public init(
        name: String, zone: String? = nil, nodePortAddresses: [NodePortAddress] = [],
        primaryAddresses: [IPAddress] = [], proxyName: String? = nil
    ) {
        self.name = name
        self.zone = zone
        self.nodePortAddresses = nodePortAddresses
        self.primaryAddresses = primaryAddresses
        self.proxyName = proxyName
    }

    /// Derives the configuration from the Node object, if there is one, and the addresses of the node's devices.
    public init(
        name: String, node: Node?, localAddresses: [IPAddress], nodePorts: NodePortAddresses = .primary,
        proxyName: String? = nil
    ) {
        self.init(
            name: name, zone: node?.labels[Label.zone],
            nodePortAddresses: nodePorts.select(node: node, localAddresses: localAddresses),
            primaryAddresses: node?.primaryAddresses ?? localAddresses.filter { !$0.isLoopback },
            proxyName: proxyName)
    }
}

/// An address on which NodePorts are served.
public struct NodePortAddress: Sendable, Hashable, Comparable {
    public var address: IPAddress
    /// Only for sockets in the node's own network namespace: loopback addresses mean something else in a pod.
    public var hostOnly: Bool

    public init(_ address: IPAddress, hostOnly: Bool = false) {
        self.address = address
        self.hostOnly = hostOnly
    }

    public static func < (left: NodePortAddress, right: NodePortAddress) -> Bool { left.address < right.address }
}

/// Which of the node's addresses serve NodePorts (spec 21), as `--nodeport-addresses` says.
public enum NodePortAddresses: Sendable, Hashable {
    /// The Node object's first address of each family, and loopback.
    case primary
    /// Local addresses inside one of these ranges; loopback only if a range holds it.
    case within([CIDR])
    /// All local addresses, and loopback.
    case all

    /// The addresses, sorted, with 127.0.0.1 and ::1 flagged host-only.
    ///
    /// Without a Node object (or with one that has no address) `primary` means all local addresses.
    public func select(node: Node?, localAddresses: [IPAddress]) -> [NodePortAddress] {
        let loopback = [IPAddress(v4: 0x7f00_0001), IPAddress(v6: 0, 1)]
        let selected =
            switch self {
            case .primary:
                (node?.primaryAddresses ?? localAddresses.filter { !$0.isLoopback }) + loopback
            case .within(let ranges):
                (localAddresses + loopback).filter { address in ranges.contains { $0.contains(address) } }
            case .all:
                localAddresses + loopback
            }
        return Set(selected)
            .filter { !$0.isUnspecified && !$0.isMulticast }
            .map { NodePortAddress($0, hostOnly: $0.isLoopback) }
            .sorted()
    }
}

extension Node {
    /// The first address of each family; nil if there is none at all.
    fileprivate var primaryAddresses: [IPAddress]? {
        let primary = IPFamily.allCases.compactMap { family in addresses.first { $0.family == family } }
        return primary.isEmpty ? nil : primary
    }
}
