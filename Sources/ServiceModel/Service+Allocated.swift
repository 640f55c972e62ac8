/// What an API server decides of a Service, and manifests leave out.
extension Service {
    /// As it would be stored in the place of another version: what was allocated for that stays where nothing is written.
    package func applied(over stored: Service) -> Service {
        var service = self
        if clusterIPs.isEmpty && !isHeadless && kind != .externalName { service.clusterIPs = stored.clusterIPs }
        if hasNodePorts {
            for index in ports.indices where ports[index].nodePort == nil {
                service.ports[index].nodePort = stored.nodePort(of: ports[index])
            }
        }
        if kind == .loadBalancer {
            if ingress.isEmpty { service.ingress = stored.ingress }
            service.healthCheckNodePort = healthCheckNodePort ?? stored.healthCheckNodePort
        }
        service.created = stored.created
        return service
    }

    /// The fields that the API server would still fill in: what they lead to cannot be told before.
    package var unallocated: [String] {
        if isHeadless || kind == .externalName { return [] }
        let addresses = clusterIPs.isEmpty ? ["spec.clusterIP"] : []
        return addresses
            + (hasNodePorts ? ports.filter { $0.nodePort == nil }.map { "\(field(of: $0)).nodePort" } : [])
    }

    private var hasNodePorts: Bool { kind == .nodePort || kind == .loadBalancer }

    /// Of the port with the same name, or with the same number.
    private func nodePort(of port: PortSpec) -> Port? {
        let ofProtocol = ports.filter { $0.proto == port.proto }
        return (ofProtocol.first { $0.name == port.name } ?? ofProtocol.first { $0.port == port.port })?.nodePort
    }
}
