import ServiceMaps
import ServiceModel

extension ProgrammedState {
    /// The objects that would be served as the maps serve a Service, where no object says how.
    ///
    /// - Parameter node: the name of this node.
    func events(of name: ObjectName, on node: String) -> [ClusterEvent] {
        let own = ports.compactMap { port in port.name.flatMap { $0.service == name ? (name: $0, port: port) : nil } }
        let frontends = own.flatMap(\.port.frontends)
        func addresses(_ kind: DesiredFrontend.Kind) -> [IPAddress] {
            Set(frontends.filter { $0.entry.kind == kind }.map(\.key.address)).sorted()
        }
        var service = Service(name: name)
        service.clusterIPs = addresses(.clusterIP)
        service.externalIPs = addresses(.externalIP)
        service.ingress = addresses(.loadBalancer).map { Service.Ingress(address: $0) }
        let hasNodePorts = frontends.contains { $0.entry.kind == .nodePort }
        service.kind = !service.ingress.isEmpty ? .loadBalancer : hasNodePorts ? .nodePort : .clusterIP
        let (inner, outer) = frontends.parted { $0.entry.kind == .clusterIP }
        service.internalPolicy = inner.first?.entry.policy ?? .cluster
        service.externalPolicy = outer.first?.entry.policy ?? .cluster
        service.affinitySeconds = frontends.map(\.entry.affinitySeconds).first { $0 > 0 }
        service.loadBalancerSourceRanges = Set(own.flatMap(\.port.sourceRanges)).sorted().map(\.description)
        var slices: [ClusterEvent] = []
        for (name, port) in own {
            let nodePort = port.frontends.first { $0.entry.kind == .nodePort }?.key.port
            guard let number = port.frontends.first(where: { $0.entry.kind != .nodePort })?.key.port ?? nodePort else {
                continue
            }
            let spec = Service.PortSpec(name: name.port, proto: name.proto, port: number, nodePort: nodePort)
            if !service.ports.contains(where: { $0.name == spec.name && $0.proto == spec.proto }) {
                service.ports.append(spec)
            }
            let byPort = Dictionary(grouping: port.backends, by: \.entry.port).sorted { $0.key < $1.key }
            for (number, backends) in byPort {
                var slice = EndpointSlice(
                    name: ObjectName(namespace: name.service.namespace, name: "@maps-\(slices.count + 1)"),
                    serviceName: name.service.name, addressType: name.family == .v4 ? .ipv4 : .ipv6)
                slice.ports = [.init(name: name.port, proto: name.proto, port: number)]
                slice.endpoints = backends.map { Endpoint($0.entry, on: node) }
                slices.append(.slice(slice))
            }
        }
        return [.service(service)] + slices
    }
}

extension Endpoint {
    fileprivate init(_ entry: BackendEntry, on node: String) {
        let isActive = entry.state == .active && (entry.inCluster || entry.inLocal)
        self.init(
            address: entry.address, ready: isActive, serving: true, terminating: !isActive,
            nodeName: entry.isLocal ? node : nil, zone: entry.zone.isEmpty ? nil : entry.zone)
    }
}

extension Array {
    fileprivate func parted(_ isFirst: (Element) -> Bool) -> (first: [Element], second: [Element]) {
        (filter(isFirst), filter { !isFirst($0) })
    }
}
