/// The two sets of usable endpoints of a service port, as backends that say which set they are in (spec 12, 13).
struct UsableEndpoints {
    /// In the order of the candidates.
    private(set) var backends: [DesiredBackend] = []
    /// Whether some endpoint could be used if it were on the right node.
    private(set) var existAnywhere = false
    private var hasCluster = false
    private var hasLocal = false

    /// - Parameter keepsServing: also lists what serves but is in no set, because flows to it live on (spec 32).
    init(
        _ candidates: [ServiceEndpoints.Candidate], node: NodeConfiguration, usesCluster: Bool, usesLocal: Bool,
        keepsServing: Bool
    ) {
        let ready = candidates.lazy.map(\.endpoint).filter(\.ready)
        let anyReady = !ready.isEmpty
        let anyLocalReady = usesLocal && ready.contains { $0.isLocal(to: node) }
        let preference = usesCluster ? TopologyPreference(ready, node: node) : .none
        backends.reserveCapacity(candidates.count)
        for candidate in candidates {
            let endpoint = candidate.endpoint
            let isDraining = endpoint.serving && endpoint.terminating
            let isLocal = endpoint.isLocal(to: node)
            let inCluster =
                usesCluster && (anyReady ? endpoint.ready && preference.admits(endpoint, on: node) : isDraining)
            let inLocal = usesLocal && isLocal && (anyLocalReady ? endpoint.ready : isDraining)
            existAnywhere = existAnywhere || endpoint.ready || isDraining
            hasCluster = hasCluster || inCluster
            hasLocal = hasLocal || inLocal
            let isUsed = inCluster || inLocal
            guard isUsed || isDraining || (keepsServing && endpoint.serving) else { continue }
            backends.append(
                DesiredBackend(
                    address: endpoint.address, port: candidate.port,
                    state: endpoint.terminating && !isUsed ? .terminating : .active,
                    isLocal: isLocal, inCluster: inCluster, inLocal: inLocal, zone: endpoint.zone))
        }
    }

    var hasBackend: Bool { hasCluster || hasLocal }

    /// No endpoint anywhere is refused, one on another node only is dropped (spec 17, 19, 27).
    func action(for policy: Service.TrafficPolicy) -> DesiredFrontend.Action {
        let hasOne =
            switch policy {
            case .cluster: hasCluster
            case .local: hasLocal
            }
        if hasOne { return .balance }
        return existAnywhere ? .drop : .reject
    }
}

/// Which ready endpoints the Cluster policy prefers (spec 15, 16).
private enum TopologyPreference {
    case none
    case sameNode
    case sameZone(String)

    /// Hints count only if every ready endpoint has some, and one of them leads here.
    init(_ ready: some Sequence<Endpoint>, node: NodeConfiguration) {
        var everyNodeHint = true
        var everyZoneHint = node.zone != nil
        var thisNode = false
        var thisZone = false
        for endpoint in ready {
            everyNodeHint = everyNodeHint && !endpoint.nodeHints.isEmpty
            everyZoneHint = everyZoneHint && !endpoint.zoneHints.isEmpty
            guard everyNodeHint || everyZoneHint else { break }
            thisNode = thisNode || endpoint.nodeHints.contains(node.name)
            thisZone = thisZone || node.zone.map(endpoint.zoneHints.contains) ?? false
        }
        if everyNodeHint && thisNode {
            self = .sameNode
        } else if everyZoneHint && thisZone, let zone = node.zone {
            self = .sameZone(zone)
        } else {
            self = .none
        }
    }

    func admits(_ endpoint: Endpoint, on node: NodeConfiguration) -> Bool {
        switch self {
        case .none: true
        case .sameNode: endpoint.nodeHints.contains(node.name)
        case .sameZone(let zone): endpoint.zoneHints.contains(zone)
        }
    }
}

extension Endpoint {
    /// Spec 8.
    func isLocal(to node: NodeConfiguration) -> Bool {
        guard let nodeName, !nodeName.isEmpty else { return false }
        return nodeName == node.name
    }
}
