import ServiceModel
import TestKit
import Testing

/// The rules on sets of endpoints once more, word by word and without a thought of speed, for random clusters.
@Suite("Sets of endpoints, by the letter")
struct ReferenceTests {
    /// What rules 6 to 9, 12, 13 and 15 make of the slices, for one service port.
    private struct Reference {
        var cluster: Set<String>
        var local: Set<String>
        var existAnywhere: Bool

        init(_ port: ServicePortName, slices: [EndpointSlice], node: NodeConfiguration) {
            var endpoints: [String: Endpoint] = [:]
            for slice in slices.sorted(by: { $0.name < $1.name }) {
                for match in slice.ports where match.name == port.port && match.proto == port.proto {
                    for endpoint in slice.endpoints where endpoint.address.family == port.family {
                        let key = "\(endpoint.address) \(match.port)"
                        let known = endpoints[key]
                        if known == nil || known?.terminating == true && !endpoint.terminating {
                            endpoints[key] = endpoint
                        }
                    }
                }
            }
            let ready = endpoints.filter(\.value.ready)
            let draining = endpoints.filter { $0.value.serving && $0.value.terminating }
            let isLocal = { (entry: (key: String, value: Endpoint)) in entry.value.nodeName == node.name }
            cluster = Set((ready.isEmpty ? draining : Self.preferred(ready, on: node)).keys)
            let localReady = ready.filter(isLocal)
            local = Set((localReady.isEmpty ? draining.filter(isLocal) : localReady).keys)
            existAnywhere = !ready.isEmpty || !draining.isEmpty
        }

        private static func preferred(_ ready: [String: Endpoint], on node: NodeConfiguration) -> [String: Endpoint] {
            let sameNode = ready.filter { $0.value.nodeHints.contains(node.name) }
            if ready.values.allSatisfy({ !$0.nodeHints.isEmpty }) && !sameNode.isEmpty { return sameNode }
            guard let zone = node.zone else { return ready }
            let sameZone = ready.filter { $0.value.zoneHints.contains(zone) }
            return ready.values.allSatisfy { !$0.zoneHints.isEmpty } && !sameZone.isEmpty ? sameZone : ready
        }
    }

    @Test("every frontend takes the set that the rules say", arguments: 0..<200 as Range<UInt64>)
    func sets(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let events = World.objects(using: &random)
        var state = ClusterState()
        _ = state.apply(events)
        for desired in World.compile(events).desired.services.values {
            let service = try #require(state.service(named: desired.name))
            for port in desired.ports {
                let reference = Reference(port.name, slices: state.slices(of: desired.name), node: .here)
                for frontend in port.frontends {
                    let policy = expectedPolicy(of: frontend, service)
                    let set = policy == .cluster ? reference.cluster : reference.local
                    #expect(frontend.policy == policy, "\(frontend.key) of \(desired.name)")
                    #expect(Set(port.backends(of: frontend).map { "\($0.address) \($0.port)" }) == set)
                    #expect(frontend.action == (set.isEmpty ? reference.existAnywhere ? .drop : .reject : .balance))
                }
            }
        }
    }

    /// Rules 14, 18 and 19.
    private func expectedPolicy(of frontend: DesiredFrontend, _ service: Service) -> Service.TrafficPolicy {
        if frontend.kind == .clusterIP { return service.internalPolicy }
        return frontend.key.scope == .fromOutside ? service.externalPolicy : .cluster
    }
}
