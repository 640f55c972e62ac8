import ServiceModel
import Testing

@Suite("Topology of the Cluster policy")
struct TopologyTests {
    /// Addresses in the Cluster set.
    private func used(_ endpoints: [Endpoint], on node: NodeConfiguration = .here) -> [String] {
        var slice = EndpointSlice.make()
        slice.endpoints = endpoints
        let compiled = compile(service: .make(), slices: [slice], node: node)
        return compiled.ports.flatMap(\.backends).filter(\.inCluster).map(\.address.description)
    }

    @Test("spec 15: the zone's endpoints when every ready one has zone hints")
    func zone() {
        let endpoints: [Endpoint] = [
            .ready("10.0.0.1", zoneHints: ["a"]), .ready("10.0.0.2", zoneHints: ["b"]),
            .ready("10.0.0.3", zoneHints: ["b", "a"]), .unready("10.0.0.4"),
        ]
        #expect(used(endpoints) == ["10.0.0.1", "10.0.0.3"])
    }

    @Test("spec 15: one ready endpoint without a hint turns hints off")
    func missingHint() {
        #expect(used([.ready("10.0.0.1", zoneHints: ["a"]), .ready("10.0.0.2")]).count == 2)
    }

    @Test("spec 15: hints for other zones only are ignored")
    func otherZone() {
        #expect(used([.ready("10.0.0.1", zoneHints: ["b"]), .ready("10.0.0.2", zoneHints: ["c"])]).count == 2)
    }

    @Test("spec 15: a node without a zone ignores zone hints")
    func noZone() {
        let nowhere = NodeConfiguration.here.changed { $0.zone = nil }
        let endpoints: [Endpoint] = [.ready("10.0.0.1", zoneHints: ["a"]), .ready("10.0.0.2", zoneHints: ["b"])]
        #expect(used(endpoints, on: nowhere).count == 2)
    }

    @Test("spec 15: node hints come before zone hints")
    func nodeHints() {
        let endpoints: [Endpoint] = [
            .ready("10.0.0.1", zoneHints: ["a"], nodeHints: ["there"]),
            .ready("10.0.0.2", zoneHints: ["b"], nodeHints: ["here"]),
        ]
        #expect(used(endpoints) == ["10.0.0.2"])
    }

    @Test("spec 15: one ready endpoint without a node hint turns node hints off")
    func missingNodeHint() {
        #expect(used([.ready("10.0.0.1", nodeHints: ["here"]), .ready("10.0.0.2")]).count == 2)
    }

    @Test("spec 15: without a node hint for this node the zone decides")
    func nodeHintsElsewhere() {
        let endpoints: [Endpoint] = [
            .ready("10.0.0.1", zoneHints: ["a"], nodeHints: ["there"]),
            .ready("10.0.0.2", zoneHints: ["b"], nodeHints: ["there"]),
        ]
        #expect(used(endpoints) == ["10.0.0.1"])
    }

    @Test("spec 15: the hints of an endpoint that is not ready do not count")
    func readyOnly() {
        var draining = Endpoint.draining("10.0.0.2")
        draining.zoneHints = ["a"]
        #expect(used([.ready("10.0.0.1", zoneHints: ["b"]), draining]) == ["10.0.0.1"])
    }

    @Test("spec 32: where a gone endpoint ends its connections, one that hints leave out is not gone")
    func keptForConnections() {
        var slice = EndpointSlice.make()
        slice.endpoints = [.ready("10.0.0.1", zoneHints: ["a"]), .ready("10.0.0.2", zoneHints: ["b"])]
        func addresses(_ annotation: String) -> [String] {
            let service = Service.make { $0.annotations[Service.destroyTCPAnnotation] = annotation }
            let compiled = compile(service: service, slices: [slice], node: .here)
            return compiled.ports.flatMap(\.backends).map(\.address.description)
        }
        let (kept, left) = (addresses("true"), addresses("false"))
        #expect(kept == ["10.0.0.1", "10.0.0.2"])
        #expect(left == ["10.0.0.1"])
    }

    @Test("spec 16: hints do not matter for the Local policy")
    func localPolicy() {
        let service = Service.make { $0.internalPolicy = .local }
        let slice = EndpointSlice.make(
            .ready("10.0.0.1", on: "here", zoneHints: ["b"]), .ready("10.0.0.2", on: "there", zoneHints: ["a"]))
        #expect(
            outcome(service, slice) == """
                frontend 10.96.0.15:80/TCP clusterIP local → default/api 1 backend
                backend default/api v4 10.0.0.1:8080 active local on-this-node
                """)
    }
}
