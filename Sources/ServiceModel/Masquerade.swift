/// Whose packets through a frontend leave with the node's address as their source (spec 18, 36).
///
/// It says what kube-proxy's nftables mode does with packets that reach this node. A socket of this node that is
/// translated when it connects never comes by: it gets its source address for the way to the backend, a pod's own
/// or the node's own (spec 37). An endpoint that reaches itself through a VIP is masqueraded in any case (spec 36d).
package enum Masquerade: String, Sendable, Hashable, CaseIterable {
    /// Everybody's: the backend may be on another node, and its answers must come back here (spec 36a, 36e).
    case always
    /// All but those of the cluster's pods, as the detector of local traffic knows them (spec 36c).
    case fromOutside
    /// Those of the node itself, whose source may be the VIP; not those of pods (spec 18).
    case fromHost
    /// No packet's: the endpoint sees the client's address (spec 36b).
    case never
}

/// Where a packet comes from.
package enum PacketOrigin: Sendable, Hashable, CaseIterable {
    /// A source address of this node's own.
    case host
    /// A pod, as the detector of local traffic knows it.
    case pod
    case outside
}

extension Masquerade {
    package func includes(_ origin: PacketOrigin) -> Bool {
        switch self {
        case .always: true
        case .fromOutside: origin != .pod
        case .fromHost: origin == .host
        case .never: false
        }
    }
}

extension DesiredFrontend {
    package func masquerade(on node: NodeConfiguration) -> Masquerade {
        if kind == .clusterIP {
            if node.masqueradesAll { return .always }
            return node.localTraffic.isKnown(for: key.address.family) ? .fromOutside : .never
        }
        // Loopback is only ever asked by sockets, never by packets.
        if hostOnly { return .never }
        // Half of a pair: the Service has the Local policy, and this is the short-circuit.
        if hasOutside { return .fromHost }
        return policy == .local ? .never : .always
    }
}
