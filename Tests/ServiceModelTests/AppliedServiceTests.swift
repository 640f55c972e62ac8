import ServiceModel
import Testing

@Suite("a Service over the one that is stored")
struct AppliedServiceTests {
    private let stored = Service.make(
        "api", .loadBalancer, ports: [.init(name: "http", port: 80, nodePort: 30080)]
    ) { service in
        service.ingress = [.init(address: "203.0.113.1")]
        service.healthCheckNodePort = 31_000
    }

    @Test("keeps what was allocated, where nothing is written")
    func keeps() {
        let written = Service.make("api", .loadBalancer, clusterIPs: [], ports: [.init(name: "http", port: 81)])
        let applied = written.applied(over: stored)
        #expect(applied == stored.changed { $0.ports[0].port = 81 } && applied.unallocated.isEmpty)
        let renamed = Service.make("api", .nodePort, clusterIPs: [], ports: [.init(name: "web", port: 80)])
        #expect(renamed.applied(over: stored).ports == [.init(name: "web", port: 80, nodePort: 30080)])
    }

    @Test("takes what is written, and leaves what its type does not have")
    func takes() {
        let own = Service.make(
            "api", .nodePort, clusterIPs: ["10.96.0.9"], ports: [.init(name: "http", port: 80, nodePort: 30081)])
        #expect(own.applied(over: stored) == own)
        let plain = Service.make("api", clusterIPs: [], ports: [.init(name: "http", port: 80)]).applied(over: stored)
        #expect(plain.clusterIPs == stored.clusterIPs && plain.ports[0].nodePort == nil && plain.ingress.isEmpty)
        let headless = Service.make("api", clusterIPs: []) { $0.isHeadless = true }
        #expect(headless.applied(over: stored).clusterIPs.isEmpty && headless.unallocated.isEmpty)
    }

    @Test("says what is still to be allocated")
    func unallocated() {
        let new = Service.make(
            "new", .nodePort, clusterIPs: [], ports: [.init(name: "http", port: 80), .init(name: "dns", port: 53)])
        #expect(
            new.unallocated == ["spec.clusterIP", "spec.ports[http].nodePort", "spec.ports[dns].nodePort"])
    }
}
