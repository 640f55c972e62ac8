import ServiceModel
import Testing

@Suite("Frontends of a Service")
struct FrontendTests {
    private let slice = EndpointSlice.make(.ready("10.0.0.1"))
    private let slice6 = EndpointSlice.make(.ready("fd00::1"), name: "api-2", type: .ipv6)

    /// Address, port and kind of each frontend.
    private func frontends(_ service: Service, on node: NodeConfiguration = .here) -> [String] {
        outcome(service, slice, slice6, on: node).split(separator: "\n").filter { $0.hasPrefix("frontend ") }
            .map { $0.split(separator: " ")[1...2].joined(separator: " ") }
    }

    @Test("spec 20: one for each port and family")
    func clusterIP() {
        let service = Service.make(
            clusterIPs: ["fd00:96::15", "10.96.0.15"],
            ports: [.init(name: "web", port: 80), .init(name: "tls", port: 443)])
        #expect(
            frontends(service) == [
                "10.96.0.15:80/TCP clusterIP", "10.96.0.15:443/TCP clusterIP", "[fd00:96::15]:80/TCP clusterIP",
                "[fd00:96::15]:443/TCP clusterIP",
            ])
    }

    @Test("spec 20: a family without a ClusterIP is not served in any way")
    func singleStack() {
        let service = Service.make("api", .nodePort, ports: [.init(port: 80, nodePort: 30080)]) {
            $0.externalIPs = ["2001:db8::99"]
        }
        #expect(
            frontends(service) == [
                "10.96.0.15:80/TCP clusterIP", "127.0.0.1:30080/TCP nodePort", "192.0.2.1:30080/TCP nodePort",
            ])
    }

    @Test("spec 21: a NodePort on every selected address, loopback for the host only")
    func nodePort() {
        let service = Service.make(
            "api", .nodePort, clusterIPs: ["10.96.0.15", "fd00:96::15"], ports: [.init(port: 80, nodePort: 30080)])
        #expect(
            outcome(service, slice, slice6) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api 1 backend
                frontend 127.0.0.1:30080/TCP nodePort cluster host-only → default/api 1 backend
                frontend 192.0.2.1:30080/TCP nodePort cluster → default/api 1 backend
                frontend [::1]:30080/TCP nodePort cluster host-only → default/api 1 backend
                frontend [2001:db8::1]:30080/TCP nodePort cluster → default/api 1 backend
                frontend [fd00:96::15]:80/TCP clusterIP cluster → default/api 1 backend
                backend default/api v4 10.0.0.1:8080 active cluster
                backend default/api v6 [fd00::1]:8080 active cluster
                """)
    }

    @Test("spec 21: the number alone is not enough, the type must say NodePort")
    func nodePortOfClusterIP() {
        let service = Service.make(ports: [.init(port: 80, nodePort: 30080)])
        #expect(frontends(service) == ["10.96.0.15:80/TCP clusterIP"])
    }

    @Test("spec 22: load balancer addresses, but not those in proxy mode")
    func loadBalancer() {
        let service = Service.make("api", .loadBalancer) {
            $0.ingress = [
                .init(address: "203.0.113.1"), .init(address: "203.0.113.2", mode: .proxy),
                .init(address: "2001:db8::2"),
            ]
        }
        #expect(frontends(service) == ["10.96.0.15:80/TCP clusterIP", "203.0.113.1:80/TCP loadBalancer"])
    }

    @Test("spec 23: external IPs of the family, and only the Service's port of an address of the node")
    func externalIP() {
        let service = Service.make { $0.externalIPs = ["198.51.100.1", "2001:db8::3", "192.0.2.1"] }
        #expect(
            frontends(service) == [
                "10.96.0.15:80/TCP clusterIP", "192.0.2.1:80/TCP externalIP", "198.51.100.1:80/TCP externalIP",
            ])
    }

    @Test("spec 60: loopback is for the host only, and what is no address of one host is no frontend")
    func loopback() {
        let service = Service.make {
            $0.kind = .loadBalancer
            $0.clusterIPs = ["10.96.0.15", "fd00:96::15"]
            $0.ingress = [.init(address: "127.0.0.1"), .init(address: "::1"), .init(address: "224.0.0.1")]
            $0.externalIPs = ["0.0.0.0", "::", "127.0.0.2", "169.254.20.10", "fe80::1", "ff02::1"]
        }
        let frontends = compile(service: service, slices: [], node: .here).ports.flatMap(\.frontends)
        let external = frontends.filter { $0.kind != .clusterIP }
        #expect(external.map(\.key.address.description) == ["127.0.0.1", "127.0.0.2", "::1"])
        let onlyHost = external.allSatisfy(\.hostOnly)
        #expect(onlyHost)
    }

    @Test("an address in several lists is one frontend, a load balancer's before an external IP's")
    func repeated() {
        let service = Service.make("api", .loadBalancer) {
            $0.externalIPs = ["198.51.100.1", "10.96.0.15"]
            $0.ingress = [.init(address: "198.51.100.1")]
            $0.externalPolicy = .local
        }
        #expect(
            outcome(service, slice) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api 1 backend
                frontend 198.51.100.1:80/TCP loadBalancer cluster from-node → default/api 1 backend
                frontend 198.51.100.1:80/TCP loadBalancer local from-outside → default/api drop: no endpoint on this node
                backend default/api v4 10.0.0.1:8080 active cluster
                """)
    }

    @Test("a ClusterIP that a device holds is left to it; what else the Service has is served")
    func held() {
        let service = Service.make(
            "api", .nodePort, clusterIPs: ["10.96.0.15", "fd00:96::15"], ports: [.init(port: 80, nodePort: 30080)])
        var node = NodeConfiguration.here
        node.heldAddresses = ["10.96.0.15"]
        #expect(
            frontends(service, on: node) == [
                "127.0.0.1:30080/TCP nodePort", "192.0.2.1:30080/TCP nodePort", "[::1]:30080/TCP nodePort",
                "[2001:db8::1]:30080/TCP nodePort", "[fd00:96::15]:80/TCP clusterIP",
            ])
        #expect(
            service.addressRemarks(on: node).map(\.text) == [
                "ClusterIP 10.96.0.15 is left to what listens there: a device of this node holds the address"
            ])
        #expect(service.addressRemarks(on: .here) == [])
    }

    @Test("addresses of devices count as held once the Node's own are known")
    func heldByWhom() {
        let settings = NodeSettings(name: "here")
        let local: [IPAddress] = ["10.96.0.10", "192.0.2.1"]
        var object = Node(name: "here")
        object.addresses = ["192.0.2.1"]
        let known = NodeConfiguration(settings, node: object, localAddresses: local, held: local)
        #expect(known.heldAddresses == ["10.96.0.10"])
        #expect(NodeConfiguration(settings, node: nil, localAddresses: local, held: local).heldAddresses == [])
    }

    @Test(
        "spec 60: what names nobody, many or a link is no frontend, and is told of",
        arguments: ["0.0.0.0", "255.255.255.255", "224.0.0.1", "169.254.1.1"])
    func noFrontend(address: String) throws {
        let odd = try #require(IPAddress(address))
        let service = Service.make("api", .loadBalancer) {
            $0.externalIPs = [odd]
            $0.ingress = [.init(address: odd)]
        }
        #expect(frontends(service) == ["10.96.0.15:80/TCP clusterIP"])
        #expect(service.addressRemarks(on: .here).map(\.cause) == [.noFrontend, .noFrontend])
        #expect(frontends(.make(clusterIPs: [odd])) == [])
    }

    @Test("spec 60: a loopback address is the node's own, and is told of")
    func loopbackIsToldOf() {
        let service = Service.make("api", .loadBalancer) { $0.ingress = [.init(address: "127.0.0.1")] }
        let compiled = compile(service: service, slices: [slice], node: .here)
        let own = compiled.ports.flatMap(\.frontends).filter { $0.key.address == "127.0.0.1" }
        #expect(own.map(\.hostOnly) == [true])
        #expect(service.addressRemarks(on: .here).map(\.cause) == [.loopback])
    }

    @Test("a Service may leave its sockets to the packets, but not those on loopback")
    func leavesSockets() {
        let service = Service.make("api", .nodePort, ports: [.init(port: 80, nodePort: 30080)]) {
            $0.annotations = ["swiftlet.io/socket-lb": "off", "other": "x"]
        }
        let compiled = compile(service: service, slices: [slice], node: .here)
        for frontend in compiled.ports.flatMap(\.frontends) {
            #expect(frontend.leavesSockets == !frontend.hostOnly, "\(frontend.key)")
        }
    }

    @Test("a ClusterIP that is the node's, and a NodePort on which somebody listens, are told of")
    func doubts() {
        let service = Service.make("api", .nodePort, clusterIPs: ["192.0.2.1"], ports: [.init(port: 80, nodePort: 22)])
        let compiled = compile(service: service, slices: [slice], node: .here)
        #expect(compiled.doubts(onNodeWith: ["192.0.2.2"], listening: [80]) == [])
        #expect(
            compiled.doubts(onNodeWith: ["192.0.2.1", "192.0.2.2"], listening: [22, 80]) == [
                "look at Service default/api: a program on this node listens on its NodePort 22, and is not reached there "
                    + "any more; choose another port (`ss -ltnp sport = :22` names it)",
                "look at Service default/api: its ClusterIP 192.0.2.1 is an address of this node, which keeps its other "
                    + "ports; write one of the range for Services",
            ])
    }

    @Test("many addresses, each of them twice, are as many frontends, in time that grows no faster than they do")
    func manyAddresses() {
        let service = Service.make {
            let addresses = (0..<30_000).map { IPAddress(v4: 0xC612_0000 + $0) }
            $0.externalIPs = addresses + addresses
        }
        let start = ContinuousClock.now
        let count = compile(service: service, slices: [slice], node: .here).ports.first?.frontends.count
        #expect(count == 30_001)
        #expect(ContinuousClock.now - start < .seconds(2))
    }

    @Test("two ports that meet on an address: the first keeps it")
    func portsMeet() {
        let service = Service.make(
            "api", .nodePort, ports: [.init(name: "a", port: 80, nodePort: 443), .init(name: "b", port: 443)]
        ) { $0.externalIPs = ["192.0.2.1"] }
        let text = outcome(service)
        #expect(text.contains("frontend 192.0.2.1:443/TCP nodePort cluster → default/api:a"))
        #expect(!text.contains("frontend 192.0.2.1:443/TCP externalIP"))
    }

    @Test("spec 39: one port number in three protocols is three frontends")
    func protocols() {
        let service = Service.make(
            ports: IPProtocol.allCases.map { .init(name: "\($0)", proto: $0, port: 53) })
        let slice = EndpointSlice.make(
            .ready("10.0.0.1"), ports: IPProtocol.allCases.map { .init(name: "\($0)", proto: $0, port: 53) })
        #expect(
            outcome(service, slice) == """
                frontend 10.96.0.15:53/TCP clusterIP cluster → default/api:TCP 1 backend
                frontend 10.96.0.15:53/UDP clusterIP cluster → default/api:UDP 1 backend
                frontend 10.96.0.15:53/SCTP clusterIP cluster → default/api:SCTP 1 backend
                backend default/api:SCTP v4 10.0.0.1:53 active cluster
                backend default/api:TCP v4 10.0.0.1:53 active cluster
                backend default/api:UDP v4 10.0.0.1:53 active cluster
                """)
    }
}
