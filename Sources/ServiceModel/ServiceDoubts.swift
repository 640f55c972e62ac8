/// What does not go together in manifests and is used as it is written: an API server would not have let it pass.
package struct ServiceDoubts {
    /// Services by their TCP NodePorts.
    private var nodePorts: [Port: [ObjectName]] = [:]
    /// Of addresses that are a ClusterIP, too: the Service whose endpoint has it.
    private var endpoints: [IPAddress: ObjectName] = [:]
    private let nodes: Set<String>
    private let state: ClusterState

    package init(_ state: ClusterState) {
        self.state = state
        nodes = state.nodeNames
        var clusterIPs: Set<IPAddress> = []
        for name in state.serviceNames {
            guard let service = state.service(named: name) else { continue }
            clusterIPs.formUnion(service.clusterIPs)
            guard service.kind == .nodePort || service.kind == .loadBalancer else { continue }
            for port in service.ports where port.proto == .tcp {
                if let nodePort = port.nodePort { nodePorts[nodePort, default: []].append(name) }
            }
        }
        for name in state.serviceNames.sorted() {
            for endpoint in state.slices(of: name).lazy.flatMap(\.endpoints)
            where clusterIPs.contains(endpoint.address) && endpoints[endpoint.address] == nil {
                endpoints[endpoint.address] = name
            }
        }
    }

    /// A sentence for each; in most cases none.
    package func of(_ service: Service) -> [String] {
        let title = "look at Service \(service.name)"
        var doubts: [String] = []
        if let port = service.healthCheckNodePort, let others = nodePorts[port] {
            doubts += others.sorted().map {
                "\(title): its healthCheckNodePort \(port) is a NodePort of Service \($0), whose endpoints get the load "
                    + "balancer's questions; choose another port"
            }
        }
        doubts += service.clusterIPs.compactMap { address in
            endpoints[address].map {
                "\(title): its ClusterIP \(address) is the address of an endpoint of Service \($0); write one of the range for "
                    + "Services"
            }
        }
        return doubts + strangers(service)
    }

    /// Endpoints on Nodes that do not exist. A directory with one Node tells of its own only.
    private func strangers(_ service: Service) -> [String] {
        if nodes.count < 2 { return [] }
        var told: Set<String> = []
        return state.slices(of: service.name).flatMap { slice in
            slice.endpoints.compactMap { endpoint in
                guard let name = endpoint.nodeName, !name.isEmpty, !nodes.contains(name), told.insert(name).inserted
                else { return nil }
                return "look at EndpointSlice \(slice.name): nodeName \(name) is no Node's name; write one that is"
            }
        }
    }
}
