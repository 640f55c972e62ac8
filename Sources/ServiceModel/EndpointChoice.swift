/// What becomes of one endpoint in one of the two sets of a service port.
package enum EndpointFate: String, Sendable, Hashable {
    case used
    /// It terminates, serves still, and no endpoint is ready: used as the last resort (spec 12, 13).
    case fallback
    /// No frontend takes this set.
    case unasked
    case notReady
    /// It terminates and serves, and others are ready: it keeps the flows that it has.
    case draining
    /// It terminates and does not serve any more.
    case ended
    /// Hints lead clients of this node, or of its zone, to others (spec 15).
    case hints
    /// The Local policy, and it runs on another node (spec 13).
    case elsewhere
    /// Its slice offers no port with the name and the protocol of the service port (spec 6).
    case otherPort
    /// Its slice is of the other IP family, or of names (spec 4).
    case otherFamily
    /// Another slice has it already (spec 9).
    case repeated

    package var isUsed: Bool { self == .used || self == .fallback }
}

/// Which endpoints of a service port are used: the rules of spec 12 to 16, one endpoint at a time.
///
/// `compile` fills the sets by it, and a trace says what it answered.
struct EndpointChoice {
    let node: NodeConfiguration
    let usesCluster: Bool
    let usesLocal: Bool
    private let anyReady: Bool
    private let anyLocalReady: Bool
    private let preference: TopologyPreference

    init(
        _ candidates: [ServiceEndpoints.Candidate], node: NodeConfiguration, usesCluster: Bool, usesLocal: Bool
    ) {
        self.node = node
        self.usesCluster = usesCluster
        self.usesLocal = usesLocal
        let ready = candidates.lazy.map(\.endpoint).filter(\.ready)
        anyReady = !ready.isEmpty
        anyLocalReady = usesLocal && ready.contains { $0.isLocal(to: node) }
        preference = usesCluster ? TopologyPreference(ready, node: node) : .none
    }

    /// In the set of the Cluster policy.
    func cluster(_ endpoint: Endpoint) -> EndpointFate {
        if !usesCluster { return .unasked }
        guard anyReady else { return endpoint.isDraining ? .fallback : endpoint.unusable }
        guard endpoint.ready else { return endpoint.unusable }
        return preference.admits(endpoint, on: node) ? .used : .hints
    }

    /// In the set of the Local policy.
    func local(_ endpoint: Endpoint) -> EndpointFate {
        if !usesLocal { return .unasked }
        guard endpoint.isLocal(to: node) else {
            return endpoint.ready || endpoint.isDraining ? .elsewhere : endpoint.unusable
        }
        if anyLocalReady { return endpoint.ready ? .used : endpoint.unusable }
        return endpoint.isDraining ? .fallback : endpoint.unusable
    }

    /// `zone a`, `this node`, or nil where hints decide nothing.
    var preferred: String? { preference.text }
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

    var text: String? {
        switch self {
        case .none: nil
        case .sameNode: "this node"
        case .sameZone(let zone): "zone \(zone)"
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

    var isDraining: Bool { serving && terminating }

    /// Why it is in no set where others are ready.
    fileprivate var unusable: EndpointFate { isDraining ? .draining : terminating ? .ended : .notReady }
}
