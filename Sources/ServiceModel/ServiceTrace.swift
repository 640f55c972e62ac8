/// How a Service was compiled: for each service port what became of each endpoint, and the frontends.
///
/// It is made by the same steps as `compile`, so it cannot tell another story.
package struct ServiceTrace: Sendable, Hashable {
    /// One endpoint as one service port sees it.
    package struct Endpoint: Sendable, Hashable {
        package var slice: ObjectName
        package var endpoint: ServiceModel.Endpoint
        /// Where connections would go; nil when its slice offers no such port.
        package var port: ServiceModel.Port?
        /// For frontends with the Cluster policy, and inside the node.
        package var cluster: EndpointFate
        /// For frontends with the Local policy.
        package var local: EndpointFate

        package var isUsed: Bool { cluster.isUsed || local.isUsed }
    }

    /// A service port in one family.
    package struct Port: Sendable, Hashable {
        package var name: ServicePortName
        package var spec: Service.PortSpec
        package var endpoints: [Endpoint]
        package var frontends: [DesiredFrontend]
        package var emptyReason: EmptyReason?
        /// `zone a` or `this node` where hints decide.
        package var preferred: String?
        /// What the slices of this family offer instead: `web/TCP`; sorted.
        package var offered: [String]

        /// Of an endpoint that is listed twice, the one that counts.
        package func counted(inPlaceOf other: Endpoint) -> Endpoint? {
            endpoints.first {
                $0.cluster != .repeated && $0.port == other.port && $0.endpoint.address == other.endpoint.address
            }
        }
    }

    package var leftAlone: LeftAlone?
    package var ports: [Port] = []

    package init(service: Service, slices: [EndpointSlice], node: NodeConfiguration) {
        leftAlone = service.reasonToLeaveAlone(for: node.proxyName)
        if leftAlone != nil { return }
        let sorted = slices.sorted { $0.name < $1.name }
        let merged = ServiceEndpoints(slices: sorted, hasSelector: service.selector != nil)
        let compiled = compile(service: service, slices: slices, node: node)
        for clusterIP in service.clusterIPOfEachFamily {
            for spec in service.portsWithDistinctNames {
                let parts = PortCompilation(spec, of: service, clusterIP: clusterIP, endpoints: merged, node: node)
                let name = ServicePortName(
                    service: service.name, port: spec.name, proto: spec.proto, family: clusterIP.family)
                let result = compiled.ports.first { $0.name == name }
                let ofFamily = sorted.filter { $0.family == clusterIP.family }
                ports.append(
                    Port(
                        name: name, spec: spec,
                        endpoints: Self.endpoints(of: sorted, spec, clusterIP.family, parts),
                        frontends: result?.frontends ?? [], emptyReason: result?.emptyReason,
                        preferred: parts.choice.preferred,
                        offered: Set(ofFamily.flatMap(\.ports).map { "\($0.name)/\($0.proto)" }).sorted()))
            }
        }
        ports.sort { $0.name < $1.name }
    }

    private static func endpoints(
        of slices: [EndpointSlice], _ spec: Service.PortSpec, _ family: IPFamily, _ parts: PortCompilation
    ) -> [Endpoint] {
        var rest = parts.candidates
        return slices.flatMap { slice in
            let ports = slice.ports.filter { $0.name == spec.name && $0.proto == spec.proto }
            return slice.endpoints.flatMap { endpoint -> [Endpoint] in
                let outcome = { (port: ServiceModel.Port?, cluster: EndpointFate, local: EndpointFate) in
                    Endpoint(slice: slice.name, endpoint: endpoint, port: port, cluster: cluster, local: local)
                }
                guard slice.isTranslatable, slice.family == family, endpoint.address.family == family else {
                    return [outcome(nil, .otherFamily, .otherFamily)]
                }
                if ports.isEmpty { return [outcome(nil, .otherPort, .otherPort)] }
                return ports.map { port in
                    let place = rest.firstIndex { $0.endpoint == endpoint && $0.port == port.port }
                    guard let place else { return outcome(port.port, .repeated, .repeated) }
                    rest.remove(at: place)
                    return outcome(port.port, parts.choice.cluster(endpoint), parts.choice.local(endpoint))
                }
            }
        }
    }
}
