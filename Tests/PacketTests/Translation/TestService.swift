import NetworkLab
import ServiceModel

/// A Service as the tests of translation describe it: one port, both families, every kind of frontend.
struct TestService: Sendable {
    var name = "api"
    /// The last number of its addresses: 10.96.0.n, 203.0.113.n.
    var number = 15
    var transport = Transport.tcp
    var port: UInt16 = 80
    var nodePort: UInt16 = 30_080
    var podPort: UInt16 = 8_080
    /// Numbers of pods on this node and on the other one.
    var local: [Int] = [11]
    var remote: [Int] = []
    var change: @Sendable (inout Service) -> Void = { _ in }

    enum Door: String, CaseIterable, Sendable {
        case clusterIP, nodePort, loadBalancer, externalIP
    }

    /// Where clients reach it.
    func frontend(_ door: Door, _ family: Family) -> SocketAddress {
        switch (door, family) {
        case (.clusterIP, .v4): "10.96.0.\(number):\(port)".address
        case (.clusterIP, .v6): "[fd00:10:96::\(number)]:\(port)".address
        case (.nodePort, _): SocketAddress(address: family.node.address, port: nodePort)
        case (.loadBalancer, .v4): "203.0.113.\(number):\(port)".address
        case (.loadBalancer, .v6): "[2001:db8:2::\(number)]:\(port)".address
        case (.externalIP, .v4): "203.0.113.\(100 + number):\(port)".address
        case (.externalIP, .v6): "[2001:db8:2::1:\(number)]:\(port)".address
        }
    }

    func endpoint(_ number: Int, isLocal: Bool, _ family: Family) -> SocketAddress {
        let node = isLocal ? 1 : 2
        return family == .v4
            ? "10.244.\(node).\(number):\(podPort)".address : "[fd00:10:244:\(node)::\(number)]:\(podPort)".address
    }

    /// Its only endpoint, or the first.
    func endpoint(_ family: Family) -> SocketAddress {
        if let number = local.first { return endpoint(number, isLocal: true, family) }
        return endpoint(remote.first ?? 0, isLocal: false, family)
    }

    /// What the control plane makes of it on the node.
    var compiled: DesiredService {
        var service = Service(name: objectName)
        service.kind = .loadBalancer
        service.clusterIPs = Family.allCases.map { frontend(.clusterIP, $0).ip }
        service.ingress = Family.allCases.map { Service.Ingress(address: frontend(.loadBalancer, $0).ip) }
        service.externalIPs = Family.allCases.map { frontend(.externalIP, $0).ip }
        service.ports = [
            Service.PortSpec(proto: transport.proto, port: port.modelled, nodePort: nodePort.modelled)
        ]
        change(&service)
        let slices = Family.allCases.map(slice)
        return compile(service: service, slices: slices, node: .ofTests)
    }

    private var objectName: ObjectName { ObjectName(namespace: "default", name: name) }

    private func slice(_ family: Family) -> EndpointSlice {
        var slice = EndpointSlice(
            name: ObjectName(namespace: "default", name: "\(name)-\(family)"), serviceName: name,
            addressType: family == .v4 ? .ipv4 : .ipv6)
        slice.ports = [EndpointSlice.PortSpec(proto: transport.proto, port: podPort.modelled)]
        slice.endpoints =
            local.map { Endpoint(address: endpoint($0, isLocal: true, family).ip, nodeName: "here") }
            + remote.map { Endpoint(address: endpoint($0, isLocal: false, family).ip, nodeName: "there") }
        return slice
    }
}

extension NodeConfiguration {
    static let ofTests = NodeConfiguration(
        name: "here", nodePortAddresses: Family.allCases.map { NodePortAddress($0.node.ip) },
        primaryAddresses: Family.allCases.map(\.node.ip))
}

extension Family {
    /// The node's address towards the network, and what it is called there.
    var node: SocketAddress { self == .v4 ? "192.0.2.1:0" : "[2001:db8::1]:0" }

    /// A client beyond the router; all numbers are of one network.
    func outside(_ number: Int = 2, port: UInt16 = 40_000) -> SocketAddress {
        self == .v4 ? "198.51.100.\(number):\(port)".address : "[2001:db8:1::\(number)]:\(port)".address
    }

    /// A pod of this node.
    func pod(_ number: Int, port: UInt16 = 40_000) -> SocketAddress {
        self == .v4 ? "10.244.1.\(number):\(port)".address : "[fd00:10:244:1::\(number)]:\(port)".address
    }

    /// Somebody with whom no Service has to do.
    var stranger: SocketAddress { self == .v4 ? "198.18.7.7:80" : "[2001:db8:77::7]:80" }
}

extension Transport {
    var proto: IPProtocol {
        switch self {
        case .tcp: .tcp
        case .udp: .udp
        case .sctp: .sctp
        }
    }
}

extension SocketAddress {
    /// The model's form of the address.
    var ip: IPAddress {
        guard let ip = IPAddress(host) else { preconditionFailure("\(host) is no address") }
        return ip
    }
}

extension UInt16 {
    fileprivate var modelled: Port {
        guard let port = Port(Int(self)) else { preconditionFailure("\(self) is no port") }
        return port
    }
}

extension String {
    /// An address that was put together.
    var address: SocketAddress {
        guard let address = SocketAddress(self) else { preconditionFailure("\(self) is no address") }
        return address
    }
}
