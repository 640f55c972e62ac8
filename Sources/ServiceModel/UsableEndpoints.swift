/// The two sets of usable endpoints of a service port, as backends that say which set they are in (spec 12, 13).
struct UsableEndpoints {
    /// In the order of the candidates.
    private(set) var backends: [DesiredBackend] = []
    /// Whether some endpoint could be used if it were on the right node.
    private(set) var existAnywhere = false
    private var hasCluster = false
    private var hasLocal = false

    /// - Parameter keepsServing: also lists what serves but is in no set, because flows to it live on (spec 32).
    init(_ candidates: [ServiceEndpoints.Candidate], choice: EndpointChoice, keepsServing: Bool) {
        backends.reserveCapacity(candidates.count)
        for candidate in candidates {
            let endpoint = candidate.endpoint
            let inCluster = choice.cluster(endpoint).isUsed
            let inLocal = choice.local(endpoint).isUsed
            existAnywhere = existAnywhere || endpoint.ready || endpoint.isDraining
            hasCluster = hasCluster || inCluster
            hasLocal = hasLocal || inLocal
            let isUsed = inCluster || inLocal
            guard isUsed || endpoint.isDraining || (keepsServing && endpoint.serving) else { continue }
            backends.append(
                DesiredBackend(
                    address: endpoint.address, port: candidate.port,
                    state: endpoint.terminating && !isUsed ? .terminating : .active,
                    isLocal: endpoint.isLocal(to: choice.node), inCluster: inCluster, inLocal: inLocal,
                    zone: endpoint.zone))
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
