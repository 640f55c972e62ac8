import Testing

@testable import ServiceModel

@Suite("What does not go together")
struct ServiceDoubtsTests {
    private func doubts(_ objects: [ClusterEvent], of name: ObjectName) throws -> [String] {
        var state = ClusterState()
        _ = state.apply(objects)
        return ServiceDoubts(state).of(try #require(state.service(named: name)))
    }

    private func slice(of service: ObjectName, _ endpoint: Endpoint) -> ClusterEvent {
        var slice = EndpointSlice(name: service, serviceName: service.name, addressType: .ipv4)
        slice.endpoints = [endpoint]
        return .slice(slice)
    }

    @Test("a health check port that is another Service's NodePort")
    func healthCheckPort() throws {
        let checked = Service.make("a", .loadBalancer) { $0.healthCheckNodePort = 30080 }
        let other = Service.make("b", .nodePort, clusterIPs: ["10.96.0.16"], ports: [.init(port: 80, nodePort: 30080)])
        let said = try doubts([.service(checked), .service(other)], of: "a")
        #expect(said.count == 1 && said[0].contains("healthCheckNodePort 30080 is a NodePort of Service default/b"))
        let udp = Service.make(
            "b", .nodePort, clusterIPs: ["10.96.0.16"], ports: [.init(proto: .udp, port: 80, nodePort: 30080)])
        #expect(try doubts([.service(checked), .service(udp)], of: "a") == [])
    }

    @Test("a ClusterIP that is a pod's address")
    func clusterIP() throws {
        let service = Service.make("a", clusterIPs: ["10.244.0.11"])
        let other = Service.make("b", clusterIPs: ["10.96.0.16"])
        let said = try doubts(
            [.service(service), .service(other), slice(of: "b", Endpoint(address: "10.244.0.11"))], of: "a")
        #expect(
            said.count == 1
                && said[0].contains("ClusterIP 10.244.0.11 is the address of an endpoint of Service default/b"))
    }

    @Test("an endpoint on a Node that does not exist, where more Nodes than one are known")
    func nodeName() throws {
        let objects: [ClusterEvent] = [
            .service(.make("a")), slice(of: "a", Endpoint(address: "10.244.0.11", nodeName: "node-z")),
            .node(Node(name: "node-a")),
        ]
        #expect(try doubts(objects, of: "a") == [])
        let said = try doubts(objects + [.node(Node(name: "node-b"))], of: "a")
        #expect(said == ["look at EndpointSlice default/a: nodeName node-z is no Node's name; write one that is"])
    }
}
