/// Whose packets through a frontend leave with the node's address as their source (spec 36).
///
/// It says what the rules ask of a packet datapath. Sockets of this node are translated before they have a source
/// address, so they need no masquerade: theirs is the pod's, or the node's own (spec 18, 37). An endpoint that
/// reaches itself through a VIP is masqueraded in any case (spec 36d).
public enum Masquerade: String, Sendable, Hashable, CaseIterable {
    /// Every client's: all traffic to ClusterIPs is to be masqueraded (spec 36e).
    case always
    /// Those of clients that are not on this node or, for a ClusterIP, not in the cluster (spec 36a, 36c).
    case fromOutside
    /// Nobody's: the endpoint sees the client's address (spec 36b).
    case never
}

extension DesiredFrontend {
    /// - Parameter all: the option to masquerade everything that goes to a ClusterIP.
    public func masquerade(all: Bool = false) -> Masquerade {
        if kind == .clusterIP { return all ? .always : .fromOutside }
        // With the Local policy, the entry for this node never meets a client from outside.
        return policy == .local || hasOutside || hostOnly ? .never : .fromOutside
    }
}
