/// What compiling needs to know of the node that it compiles for.
package struct NodeConfiguration: Sendable, Hashable {
    /// Endpoints with this node name are local (spec 8); empty if unknown.
    package var name: String
    /// The node's zone; hints count only if it is known (spec 15).
    package var zone: String?
    /// Where NodePorts are served (spec 21).
    package var nodePortAddresses: [NodePortAddress]
    /// The Node object's first address of each family, or all local ones without it, for source ranges (spec 24).
    package var primaryAddresses: [IPAddress]
    /// Nil for the default proxy; otherwise only Services that carry this name are ours (spec 2).
    package var proxyName: String?
    /// Tells the cluster's pods from other clients (spec 36c).
    package var localTraffic = LocalTraffic.unknown
    /// Where the addresses of this node's pods are; none of a family if that is unknown.
    package var podRanges: [CIDR] = []
    /// Packets of pods' sockets are looked at where source ranges hold some pods and not others (spec 24).
    package var checksPackets = false
    /// Addresses of this node's devices that are not the Node's: a ClusterIP among them is left to what listens there.
    package var heldAddresses: Set<IPAddress> = []
    /// Masquerade everything that goes to a ClusterIP (spec 36e).
    package var masqueradesAll = false
    /// False: externalIPs are not served, as the gate `AllowServiceExternalIPs` says (spec 23).
    package var servesExternalIPs = true

    package init(
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
    ///
    /// - Parameters:
    ///   - podRoutes: what this node's routes lead to pods.
    ///   - held: those of `localAddresses` that a listener may be bound to on purpose.
    package init(
        _ settings: NodeSettings, node: Node?, localAddresses: [IPAddress], podRoutes: [CIDR] = [],
        held: [IPAddress] = []
    ) {
        self.init(
            name: settings.name, zone: node?.labels[Label.zone],
            nodePortAddresses: settings.nodePorts.select(node: node, localAddresses: localAddresses),
            primaryAddresses: node?.primaryAddresses ?? localAddresses.filter { !$0.isLoopback },
            proxyName: settings.proxyName)
        // Without a Node object it is not known which of them are the node's own.
        heldAddresses = node.map { Set(held).subtracting($0.addresses + primaryAddresses) } ?? []
        localTraffic = settings.localTraffic.detector(podCIDRs: node?.podCIDRs ?? [])
        podRanges = Self.podRanges(
            (node?.podCIDRs ?? []) + settings.localTraffic.clusterCIDRs,
            // The node's own network may be behind such a device too.
            podRoutes.filter { route in !primaryAddresses.contains { route.contains($0) } })
        masqueradesAll = settings.masqueradesAll
        servesExternalIPs = settings.servesExternalIPs
    }

    /// What was told of pods' addresses, of those families in which no route to a pod contradicts it: some CNIs have ranges of
    /// their own. The routes themselves are no ranges, because they come and go with pods.
    private static func podRanges(_ told: [CIDR], _ routes: [CIDR]) -> [CIDR] {
        let strays = Set(routes.filter { route in !told.contains { $0.contains(route) } }.map(\.family))
        return Set(told).filter { !strays.contains($0.family) }.sorted()
    }
}

/// What was configured for a node, whatever its Node object and its devices say.
package struct NodeSettings: Sendable, Hashable {
    /// Endpoints with this node name are local (spec 8).
    package var name: String
    package var nodePorts: NodePortAddresses = .primary
    /// Nil for the default proxy (spec 2).
    package var proxyName: String?
    package var localTraffic = LocalTrafficSettings()
    /// Masquerade everything that goes to a ClusterIP (spec 36e).
    package var masqueradesAll = false
    /// The gate `AllowServiceExternalIPs` (spec 23).
    package var servesExternalIPs = true

    package init(name: String) { self.name = name }
}

/// An address on which NodePorts are served.
package struct NodePortAddress: Sendable, Hashable, Comparable {
    package var address: IPAddress
    /// Only for sockets in the node's own network namespace: loopback addresses mean something else in a pod.
    package var hostOnly: Bool

    package init(_ address: IPAddress, hostOnly: Bool = false) {
        self.address = address
        self.hostOnly = hostOnly
    }

    package static func < (left: NodePortAddress, right: NodePortAddress) -> Bool { left.address < right.address }
}

extension Node {
    /// The first address of each family; nil if there is none at all.
    var primaryAddresses: [IPAddress]? {
        let primary = IPFamily.allCases.compactMap { family in addresses.first { $0.family == family } }
        return primary.isEmpty ? nil : primary
    }
}

/// What the Node object said last: when it goes, or comes back without addresses, the node is still where it was (spec 56).
package struct NodeMemory: Sendable {
    package private(set) var known: Node?

    package init() {}

    /// The Node as it counts: itself, with the addresses and pod ranges of before where it has none.
    package mutating func recall(_ node: Node?) -> Node? {
        if let node, !node.addresses.isEmpty {
            known = node
            return node
        }
        guard let known else { return node }
        var recalled = node ?? Node(name: known.name)
        recalled.addresses = known.addresses
        if recalled.podCIDRs.isEmpty { recalled.podCIDRs = known.podCIDRs }
        return recalled
    }
}
