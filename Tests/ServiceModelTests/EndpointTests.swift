import ServiceModel
import Testing

@Suite("Endpoints of a Service")
struct EndpointTests {
    @Test("spec 4: slices of the family that is served, and no FQDN")
    func family() {
        let text = outcome(
            .make(), .make(.ready("10.0.0.1")), .make(.ready("fd00::1"), name: "api-2", type: .ipv6),
            .make(.ready("10.0.0.2"), name: "api-3", type: .fqdn),
            .make(.ready("10.0.0.3"), name: "api-4", type: .ipv6))
        #expect(
            text == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api 1 backend
                backend default/api v4 10.0.0.1:8080 active cluster
                """)
    }

    @Test("spec 6: ports meet on name and protocol, and the slice has the number")
    func portMatch() {
        let service = Service.make(ports: [
            .init(name: "dns", proto: .udp, port: 53), .init(name: "dns-tcp", port: 53), .init(name: "web", port: 80),
        ])
        let first = EndpointSlice.make(
            .ready("10.0.0.1"),
            ports: [.init(name: "dns", proto: .udp, port: 5353), .init(name: "web", port: 8080)])
        let second = EndpointSlice.make(
            .ready("10.0.0.2"), name: "api-2", ports: [.init(name: "dns", port: 5354), .init(name: "web", port: 8081)])
        #expect(
            outcome(service, first, second) == """
                frontend 10.96.0.15:53/TCP clusterIP cluster → default/api:dns-tcp reject: \
                port names differ
                frontend 10.96.0.15:53/UDP clusterIP cluster → default/api:dns 1 backend
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api:web 2 backends
                backend default/api:dns v4 10.0.0.1:5353 active cluster
                backend default/api:web v4 10.0.0.1:8080 active cluster
                backend default/api:web v4 10.0.0.2:8081 active cluster
                """)
    }

    @Test("spec 8: local is what names this node")
    func local() {
        let slice = EndpointSlice.make(
            .ready("10.0.0.1", on: "here"), .ready("10.0.0.2", on: "there"), .ready("10.0.0.3"))
        #expect(
            outcome(.make(), slice) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api 3 backends
                backend default/api v4 10.0.0.1:8080 active cluster on-this-node
                backend default/api v4 10.0.0.2:8080 active cluster
                backend default/api v4 10.0.0.3:8080 active cluster
                """)
        let nameless = NodeConfiguration(name: "")
        #expect(!outcome(.make(), .make(.ready("10.0.0.1", on: "")), on: nameless).contains("on-this-node"))
    }

    @Test("spec 9: a duplicate that does not terminate wins, whatever the slice", arguments: ["api-0", "api-2"])
    func duplicateTerminating(other: String) {
        let name = ObjectName(namespace: "default", name: other)
        let text = outcome(.make(), .make(.draining("10.0.0.1")), .make(.ready("10.0.0.1", on: "here"), name: name))
        #expect(text.hasSuffix("\nbackend default/api v4 10.0.0.1:8080 active cluster on-this-node"))
        #expect(text.split(separator: "\n").count == 2)
    }

    @Test("spec 9: of equal duplicates the lowest slice name wins, in any order")
    func duplicateEqual() {
        let low = EndpointSlice.make(.ready("10.0.0.1", zone: "low"), name: "api-1")
        let high = EndpointSlice.make(.ready("10.0.0.1", zone: "high"), name: "api-2")
        #expect(outcome(.make(), low, high) == outcome(.make(), high, low))
        #expect(outcome(.make(), high, low).hasSuffix("zone=low"))
    }

    @Test("spec 9: backends are sorted by address and port")
    func sorted() {
        let slice = EndpointSlice.make(
            .ready("10.0.0.10"), .ready("10.0.0.9"), ports: [.init(port: 8081), .init(port: 8080)])
        #expect(
            outcome(.make(), slice).split(separator: "\n").dropFirst().map { $0.split(separator: " ")[3] } == [
                "10.0.0.9:8080", "10.0.0.9:8081", "10.0.0.10:8080", "10.0.0.10:8081",
            ])
    }

    @Test("spec 12: only ready endpoints while there is one; terminating ones keep their flows")
    func ready() {
        let slice = EndpointSlice.make(
            .ready("10.0.0.1"), .unready("10.0.0.2"), .draining("10.0.0.3"), .dying("10.0.0.4"))
        #expect(
            outcome(.make(), slice) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api 1 backend
                backend default/api v4 10.0.0.1:8080 active cluster
                backend default/api v4 10.0.0.3:8080 terminating
                """)
    }

    @Test("spec 12: with none ready anywhere, serving and terminating ones are used, whatever their hints")
    func terminatingFallback() {
        var other = Endpoint.draining("10.0.0.4")
        other.zoneHints = ["b"]
        let slice = EndpointSlice.make(.unready("10.0.0.2"), .draining("10.0.0.3"), other, .dying("10.0.0.5"))
        #expect(
            outcome(.make(), slice) == """
                frontend 10.96.0.15:80/TCP clusterIP cluster → default/api 2 backends
                backend default/api v4 10.0.0.3:8080 active cluster
                backend default/api v4 10.0.0.4:8080 active cluster
                """)
    }

    @Test("spec 27: the reason why there is no backend")
    func emptyReasons() {
        let withoutSelector = Service.make { $0.selector = nil }
        let reject = "frontend 10.96.0.15:80/TCP clusterIP cluster → default/api reject: "
        #expect(outcome(.make()) == reject + "no EndpointSlice")
        #expect(outcome(.make(), .make()) == reject + "no pod with an address matches the selector")
        #expect(outcome(withoutSelector) == reject + "no endpoints")
        let otherFamily = EndpointSlice.make(.ready("fd00::1"), type: .ipv6)
        #expect(outcome(.make(), otherFamily) == reject + "endpoints of the other IP family only")
        #expect(outcome(.make(), .make(.unready("10.0.0.1"), .dying("10.0.0.2"))) == reject + "endpoints not ready")
        let otherPort = EndpointSlice.make(.ready("10.0.0.1"), ports: [.init(name: "web", port: 8080)])
        #expect(outcome(.make(), otherPort) == reject + "port names differ")
    }

    @Test("spec 32: UDP keeps every serving endpoint in the list, used or not")
    func servingUDP() {
        let service = Service.make(ports: [.init(proto: .udp, port: 53)])
        let slice = EndpointSlice.make(
            .ready("10.0.0.1", zoneHints: ["a"]), .ready("10.0.0.2", zoneHints: ["b"]), .unready("10.0.0.3"),
            .draining("10.0.0.4"), ports: [.init(proto: .udp, port: 53)])
        #expect(
            outcome(service, slice) == """
                frontend 10.96.0.15:53/UDP clusterIP cluster → default/api 1 backend
                backend default/api v4 10.0.0.1:53 active cluster
                backend default/api v4 10.0.0.2:53 active
                backend default/api v4 10.0.0.4:53 terminating
                """)
    }
}
