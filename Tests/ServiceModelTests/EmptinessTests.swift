import ServiceModel
import Testing

@Suite("why a service port has no backend")
struct EmptinessTests {
    private static let node = NodeConfiguration(name: "node-1")

    private func emptiness(_ service: Service, _ slices: EndpointSlice...) throws -> Emptiness {
        try emptiness(service, slices)
    }

    private func emptiness(_ service: Service, _ slices: [EndpointSlice]) throws -> Emptiness {
        let trace = ServiceTrace(service: service, slices: slices, node: Self.node)
        let port = try #require(trace.ports.first)
        return Emptiness(service: service, port: port, slices: slices, node: Self.node.name)
    }

    private func text(_ service: Service, _ slices: EndpointSlice...) throws -> String? {
        try emptiness(service, slices).reason?.text
    }

    @Test("endpoints that are not ready are named by their pods, or by their addresses")
    func notReady() throws {
        let web = Endpoint(address: "10.0.0.1", ready: false, serving: false, pod: "web-a")
        let slice = EndpointSlice.make(web, .dying("10.0.0.2"))
        // Of the pods of two families those of this one are in the way.
        let other = EndpointSlice.make(.unready("fd00::1"), name: "api-6", type: .ipv6)
        #expect(
            try text(.make(), slice, other)
                == "2 endpoints, none ready: web-a (readiness), 10.0.0.2:8080 (terminating)")
        let many = EndpointSlice.make(
            .unready("10.0.0.1"), .unready("10.0.0.2"), .unready("10.0.0.3"), .unready("10.0.0.4"),
            .unready("10.0.0.5"))
        #expect(try text(.make(), many)?.hasSuffix("10.0.0.4:8080 (readiness), …") == true)
        #expect(try emptiness(.make(), .make(.dying("10.0.0.1"))).reason?.code == .podTerminating)
    }

    @Test("a ready endpoint does not keep its pod's name: others share where it runs")
    func readyPod() {
        #expect(Endpoint(address: "10.0.0.1", pod: "web-a").pod == nil)
    }

    @Test("ports that differ are named, with the slice that offers them")
    func portNames() throws {
        let service = Service.make(ports: [.init(name: "http", port: 80)])
        let offers = EndpointSlice.make(.ready("10.0.0.1"), ports: [.init(name: "web", port: 8080)])
        #expect(try text(service, offers) == "EndpointSlice default/api-1 offers web/TCP, the Service wants http/TCP")
        let protocols = EndpointSlice.make(.ready("10.0.0.1"), ports: [.init(name: "http", proto: .udp, port: 8080)])
        #expect(try emptiness(service, protocols).reason?.code == .protocolsDiffer)
        #expect(
            try text(service, .make(.ready("10.0.0.1"), ports: []))
                == "EndpointSlice default/api-1 has no port with a number")
    }

    @Test("what the slices lack is said, and where")
    func slices() throws {
        let bare = Service.make { $0.selector = nil }
        #expect(
            try text(.make())
                == "no EndpointSlice has endpoints of default/api; `swiftlet explain default/api` looks at its pods")
        #expect(
            try text(.make(), .make())
                == "EndpointSlice default/api-1 is empty; `swiftlet explain default/api` looks at its pods")
        #expect(try text(bare) == "default/api has neither spec.selector nor an EndpointSlice")
        #expect(try text(bare, .make()) == "EndpointSlice default/api-1 has no endpoints")
        #expect(
            try text(.make(), .make(.ready("fd00::1"), name: "api-6", type: .ipv6))
                == "default/api has an IPv4 address, EndpointSlice default/api-6 IPv6 endpoints only")
    }

    @Test("with the policy Local the endpoints elsewhere are counted, for whoever gets none of them")
    func elsewhere() throws {
        let slice = EndpointSlice.make(.ready("10.0.0.1", on: "node-2"), .ready("10.0.0.2", on: "node-3"))
        let inside = try emptiness(.make { $0.internalPolicy = .local }, slice)
        #expect(
            inside.reason?.text
                == "0 of 2 endpoints on node-1, internalTrafficPolicy Local: clients on this node are refused")
        #expect(inside.remark == nil)
        let outside = try emptiness(
            .make {
                $0.kind = .loadBalancer
                $0.externalPolicy = .local
                $0.ingress = [.init(address: "203.0.113.1")]
            }, slice)
        #expect(outside.reason == nil)
        #expect(
            outside.remark?.text
                == "0 of 2 endpoints on node-1, externalTrafficPolicy Local: clients outside are dropped")
    }

    @Test("endpoints that terminate and are the last ones are named")
    func fallback() throws {
        let slice = EndpointSlice.make(.draining("10.0.0.1"), .dying("10.0.0.2"))
        let last = try emptiness(.make(), slice)
        #expect(last.reason == nil && last.remark?.text == "terminating, serving (fallback): 10.0.0.1:8080")
        #expect(try emptiness(.make(), .make(.ready("10.0.0.1"), .draining("10.0.0.2"))).remark == nil)
    }
}
