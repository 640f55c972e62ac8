import ServiceModel

// Short ways to write objects down. A literal that is not valid is a mistake in a test, and ends it.

extension IPAddress: ExpressibleByStringLiteral {
    init(stringLiteral text: String) {
        guard let address = IPAddress(text) else { preconditionFailure("not an address: \(text)") }
        self = address
    }
}

extension Port: ExpressibleByIntegerLiteral {
    init(integerLiteral number: Int) {
        guard let port = Port(number) else { preconditionFailure("not a port: \(number)") }
        self = port
    }
}

extension ObjectName: ExpressibleByStringLiteral {
    init(stringLiteral name: String) { self.init(namespace: "default", name: name) }
}

extension Service {
    /// A ClusterIP Service with one port, 80/TCP, unless something else is said.
    static func make(
        _ name: ObjectName = "api", _ kind: Kind = .clusterIP, clusterIPs: [IPAddress] = ["10.96.0.15"],
        ports: [PortSpec] = [PortSpec(port: 80)], change: (inout Service) -> Void = { _ in }
    ) -> Service {
        var service = Service(name: name)
        service.kind = kind
        service.clusterIPs = clusterIPs
        service.ports = ports
        service.selector = ["app": name.name]
        change(&service)
        return service
    }

    func changed(_ change: (inout Service) -> Void) -> Service {
        var service = self
        change(&service)
        return service
    }
}

extension EndpointSlice {
    /// A slice of `api` with port 8080/TCP, unless something else is said.
    static func make(
        _ endpoints: Endpoint..., name: ObjectName = "api-1", of service: String = "api", type: AddressType = .ipv4,
        ports: [PortSpec] = [PortSpec(port: 8080)]
    ) -> EndpointSlice {
        var slice = EndpointSlice(name: name, serviceName: service, addressType: type)
        slice.ports = ports
        slice.endpoints = endpoints
        return slice
    }
}

extension Endpoint {
    static func ready(
        _ address: IPAddress, on node: String? = nil, zone: String? = nil, zoneHints: [String] = [],
        nodeHints: [String] = []
    ) -> Endpoint {
        Endpoint(address: address, nodeName: node, zone: zone, zoneHints: zoneHints, nodeHints: nodeHints)
    }

    static func unready(_ address: IPAddress, on node: String? = nil) -> Endpoint {
        Endpoint(address: address, ready: false, serving: false, nodeName: node)
    }

    /// Terminating, and still serving.
    static func draining(_ address: IPAddress, on node: String? = nil) -> Endpoint {
        Endpoint(address: address, ready: false, serving: true, terminating: true, nodeName: node)
    }

    /// Terminating, and not serving any more.
    static func dying(_ address: IPAddress, on node: String? = nil) -> Endpoint {
        Endpoint(address: address, ready: false, serving: false, terminating: true, nodeName: node)
    }
}

extension NodeConfiguration {
    /// The node that scenarios are compiled for: called `here`, in zone `a`.
    static let here = NodeConfiguration(
        name: "here", zone: "a",
        nodePortAddresses: [
            NodePortAddress("127.0.0.1", hostOnly: true), NodePortAddress("192.0.2.1"),
            NodePortAddress("::1", hostOnly: true), NodePortAddress("2001:db8::1"),
        ])

    func changed(_ change: (inout NodeConfiguration) -> Void) -> NodeConfiguration {
        var node = self
        change(&node)
        return node
    }
}

/// The dump of one compiled Service, without its last line feed.
func outcome(_ service: Service, _ slices: EndpointSlice..., on node: NodeConfiguration = .here) -> String {
    let compiled = compile(service: service, slices: slices, node: node)
    return DesiredState(services: [service.name: compiled]).lines
}

extension DesiredState {
    var lines: String { String(description.dropLast()) }
}
