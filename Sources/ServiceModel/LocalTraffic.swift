/// How packets of the cluster's own pods are told from others: the detector of local traffic (spec 36c).
package enum LocalTraffic: Sendable, Hashable {
    /// By their source address. A family without a range cannot be told.
    case sources([CIDR])
    /// By the bridge that they come from.
    case bridge(String)
    /// By the name of the device that they come from.
    case devices(prefix: String)

    /// Nothing is known: traffic to a ClusterIP is not masqueraded.
    package static let unknown = LocalTraffic.sources([])

    /// Whether local traffic of this family can be told at all.
    package func isKnown(for family: IPFamily) -> Bool {
        switch self {
        case .sources(let ranges): ranges.contains { $0.family == family }
        case .bridge, .devices: true
        }
    }

    /// Whether all that comes from a device is pods'.
    package func includes(device name: String) -> Bool {
        switch self {
        case .sources: false
        case .bridge(let bridge): name == bridge
        case .devices(let prefix): name.hasPrefix(prefix)
        }
    }

    /// The ranges that pods are told by; none if it is not by ranges.
    package var ranges: [CIDR] {
        if case .sources(let ranges) = self { ranges } else { [] }
    }

    /// Whether a packet is one of a pod.
    ///
    /// - Parameter device: where it came from; empty for one that a socket of the node sent.
    package func includes(source: IPAddress, device: String) -> Bool {
        switch self {
        case .sources(let ranges): ranges.contains { $0.contains(source) }
        case .bridge, .devices: includes(device: device)
        }
    }
}

/// What a detector of local traffic goes by, in kube-proxy's words.
package enum LocalTrafficMode: String, Sendable, Hashable, CaseIterable {
    /// The ranges that are given for the pods of the whole cluster.
    case clusterCIDR = "ClusterCIDR"
    /// The ranges that the Node object has for the pods of this node.
    case nodeCIDR = "NodeCIDR"
    case bridgeInterface = "BridgeInterface"
    case interfaceNamePrefix = "InterfaceNamePrefix"
}

/// The settings that a detector of local traffic is made from.
package struct LocalTrafficSettings: Sendable, Hashable {
    package var mode: LocalTrafficMode = .clusterCIDR
    package var clusterCIDRs: [CIDR] = []
    package var bridgeInterface = ""
    package var interfaceNamePrefix = ""

    package init() {}

    /// - Parameter podCIDRs: the Node object's; empty without one.
    package func detector(podCIDRs: [CIDR]) -> LocalTraffic {
        switch mode {
        case .clusterCIDR: .sources(clusterCIDRs)
        case .nodeCIDR: .sources(podCIDRs)
        case .bridgeInterface: .bridge(bridgeInterface)
        case .interfaceNamePrefix: .devices(prefix: interfaceNamePrefix)
        }
    }
}
