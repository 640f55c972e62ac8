/// What the datapath must do for a Service: a pure function, the same for the same values in any order.
///
/// It knows one Service only: frontends that another Service claims too are settled by `Compiler` (spec 25).
package func compile(service: Service, slices: [EndpointSlice], node: NodeConfiguration) -> DesiredService {
    if let reason = service.reasonToLeaveAlone(for: node.proxyName) {
        return DesiredService(name: service.name, leftAlone: reason)
    }
    let endpoints = ServiceEndpoints(slices: slices, hasSelector: service.selector != nil)
    var ports: [DesiredServicePort] = []
    for clusterIP in service.clusterIPOfEachFamily {
        for port in service.portsWithDistinctNames {
            ports.append(
                compile(port, of: service, clusterIP: clusterIP, endpoints: endpoints, node: node))
        }
    }
    ports.sort { $0.name < $1.name }
    ports.removeRepeatedFrontends()
    let healthCheckPort = service.effectiveHealthCheckNodePort
    return DesiredService(
        name: service.name, ports: ports, healthCheckNodePort: healthCheckPort,
        localReadyEndpoints: healthCheckPort == nil ? 0 : endpoints.localReadyCount(on: node))
}

private func compile(
    _ port: Service.PortSpec, of service: Service, clusterIP: IPAddress, endpoints: ServiceEndpoints,
    node: NodeConfiguration
) -> DesiredServicePort {
    let family = clusterIP.family
    let parts = PortCompilation(port, of: service, clusterIP: clusterIP, endpoints: endpoints, node: node)
    let usable = UsableEndpoints(
        parts.candidates, choice: parts.choice,
        // Whose connections end with their endpoint must not lose it to a hint or a policy (spec 32).
        keepsServing: port.proto == .udp || service.destroysTCP)
    return DesiredServicePort(
        name: ServicePortName(service: service.name, port: port.name, proto: port.proto, family: family),
        affinitySeconds: service.affinitySeconds ?? 0,
        backends: usable.backends,
        frontends: parts.doors.frontends(for: usable),
        emptyReason: usable.hasBackend
            ? nil : endpoints.emptyReason(family: family, hasCandidates: !parts.candidates.isEmpty, usable: usable))
}

/// What one service port of one family is compiled from; a trace looks at the same.
struct PortCompilation {
    let doors: FrontDoors
    let candidates: [ServiceEndpoints.Candidate]
    let choice: EndpointChoice

    init(
        _ port: Service.PortSpec, of service: Service, clusterIP: IPAddress, endpoints: ServiceEndpoints,
        node: NodeConfiguration
    ) {
        doors = FrontDoors(of: port, of: service, clusterIP: clusterIP, node: node)
        candidates = endpoints.candidates(for: port, family: clusterIP.family)
        choice = EndpointChoice(
            candidates, node: node,
            // Spec 14.
            usesCluster: service.internalPolicy == .cluster || doors.areExternal,
            usesLocal: service.internalPolicy == .local || (service.externalPolicy == .local && doors.areExternal))
    }
}

extension Service {
    /// Spec 1 to 3.
    func reasonToLeaveAlone(for proxyName: String?) -> LeftAlone? {
        if kind == .externalName { return .externalName }
        if isHeadless || labels[Label.headless] != nil { return .headless }
        if labels[Label.proxyName] != proxyName { return .otherProxy }
        return clusterIPs.isEmpty ? .noClusterIP : nil
    }

    /// A family without a ClusterIP has no frontend of any kind (spec 20).
    var clusterIPOfEachFamily: [IPAddress] {
        IPFamily.allCases.compactMap { family in clusterIPs.first { $0.family == family } }
    }

    /// The API promises distinct names; where a manifest breaks the promise, the first port keeps the name.
    var portsWithDistinctNames: [PortSpec] {
        if ports.count < 2 { return ports }
        var names: Set<String> = []
        return ports.filter { names.insert("\($0.name)/\($0.proto)").inserted }
    }

    /// Spec 26.
    fileprivate var effectiveHealthCheckNodePort: Port? {
        kind == .loadBalancer && externalPolicy == .local ? healthCheckNodePort : nil
    }
}

extension [DesiredServicePort] {
    /// Two ports of a Service may meet on an address, such as an external IP that is the node's: the first keeps it.
    fileprivate mutating func removeRepeatedFrontends() {
        if count < 2 { return }
        var taken: Set<FrontendKey> = []
        for index in indices {
            self[index].frontends.removeAll { taken.contains($0.key.claimed) }
            taken.formUnion(self[index].frontends.lazy.map(\.key.claimed))
        }
    }
}
