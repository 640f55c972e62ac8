import CDatapath
import Testing

extension KernelTests {
    @Suite("A decision without affinity")
    struct SelectTests {
        @Test("an address that is nobody's passes", arguments: Family.allCases)
        func passes(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            #expect(try datapath.decide(Frontend(family: family)) == .none(family, COUNT_PASS_NOT_A_SERVICE))
        }

        @Test("a frontend gives the backend of its slot", arguments: Family.allCases)
        func hits(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            let frontend = Frontend(family: family, port: 443)
            let backend = Backend(id: 41, service: 3, number: 5, port: 65_535)
            try datapath.put(family, [backend], from: 17)
            try datapath.put(frontend, service(id: 3, first: 17))
            #expect(try datapath.decide(frontend, random: 12345) == .forward(family, backend))
        }

        @Test("an address without a bit in the filter is not looked up", arguments: Family.allCases)
        func filters(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            let frontend = Frontend(family: family)
            try datapath.serve(frontend, backends: 1)
            try datapath.setFilter(to: 0)
            #expect(try datapath.decide(frontend) == .none(family, COUNT_PASS_NOT_A_SERVICE))
            try datapath.mark(frontend.address)
            #expect(try datapath.decide(frontend).reason == COUNT_FORWARD)
        }

        @Test("TCP, UDP and SCTP on one port are three frontends (spec 39)", arguments: Family.allCases)
        func separatesProtocols(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            let protocols = [TCP, UDP, SCTP]
            for (index, proto) in zip(UInt32(0)..., protocols) {
                let frontend = Frontend(family: family, proto: proto)
                #expect(try datapath.decide(frontend).reason == COUNT_PASS_NOT_A_SERVICE)
                try datapath.put(family, [Backend(id: index + 1, service: index + 1, number: 1)], from: index)
                try datapath.put(frontend, service(id: index + 1, first: index))
            }
            for (index, proto) in zip(UInt32(0)..., protocols) {
                #expect(try datapath.decide(Frontend(family: family, proto: proto)).service == index + 1)
            }
        }

        @Test("a frontend has entries of its own for each scope and port (spec 18)", arguments: Family.allCases)
        func separatesScopes(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            try datapath.serve(Frontend(family: family, scope: FROM_OUTSIDE), backends: 1)
            #expect(try datapath.decide(Frontend(family: family, scope: FROM_OUTSIDE)).reason == COUNT_FORWARD)
            let others = [
                Frontend(family: family), Frontend(family: family, port: 81, scope: FROM_OUTSIDE),
                Frontend(family: family, vip: 11, scope: FROM_OUTSIDE),
            ]
            for other in others {
                #expect(try datapath.decide(other) == .none(family, COUNT_PASS_NOT_A_SERVICE))
            }
        }

        @Test("an entry that was reused while it was read is refused", arguments: Family.allCases)
        func refusesForeignSeal(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            let frontend = Frontend(family: family)
            try datapath.serve(frontend, backends: 1)
            let other = Frontend(family: family, vip: 11)
            try datapath.put(frontend, service(id: 1), seal: other.seal)
            #expect(try datapath.decide(frontend) == .none(family, COUNT_REFUSE_RACED))
        }

        @Test("seals differ in each part of the key", arguments: Family.allCases)
        func sealsDiffer(family: Family) {
            let frontends = [
                Frontend(family: family), Frontend(family: family, vip: 11), Frontend(family: family, port: 81),
                Frontend(family: family, proto: UDP), Frontend(family: family, scope: FROM_OUTSIDE),
            ]
            #expect(Set(frontends.map(\.seal)).count == frontends.count)
        }

        @Test("a slot of another service, a free one and one past the end are refused", arguments: Family.allCases)
        func refusesBadSlots(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            let frontend = Frontend(family: family)
            try datapath.put(family, [Backend(id: 1, service: 2, number: 1)], from: 4)
            for first: UInt32 in [4, 5, 1_000_000] {
                try datapath.put(frontend, service(id: 1, first: first))
                let decision = try datapath.decide(frontend)
                #expect(decision.reason == COUNT_REFUSE_BAD_SLOT)
                #expect(decision.service == 1, "the refusal is counted for the service")
            }
        }

        @Test(
            "REJECT and DROP have reasons of their own (spec 17, 27, 29)", arguments: Family.allCases,
            [(REJECT, COUNT_REFUSE_NO_BACKEND), (DROP, COUNT_REFUSE_NO_LOCAL_BACKEND)])
        func refuses(family: Family, outcome: (action: frontend_action, reason: counter)) throws {
            let datapath = try Datapath.forDecisions()
            let frontend = Frontend(family: family, proto: UDP)
            try datapath.put(frontend, service(id: 9, count: 0, action: outcome.action))
            #expect(try datapath.decide(frontend) == .none(family, outcome.reason, service: 9))
        }

        @Test("a port that a ClusterIP does not serve is refused (spec 28)", arguments: Family.allCases)
        func refusesUnknownPort(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            try datapath.serve(Frontend(family: family), backends: 1)
            try datapath.put(family, vip: 10, unknownPort: REJECT)
            let unknown = [Frontend(family: family, port: 81), Frontend(family: family, proto: UDP)]
            for frontend in unknown {
                #expect(try datapath.decide(frontend) == .none(family, COUNT_REFUSE_UNKNOWN_PORT))
            }
            #expect(try datapath.decide(Frontend(family: family)).reason == COUNT_FORWARD)
        }

        @Test("a port that another VIP does not serve passes (spec 23)", arguments: Family.allCases)
        func passesUnknownPort(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            for action in [frontend_action(rawValue: 0), BALANCE] {
                try datapath.put(family, vip: 10, unknownPort: action)
                #expect(try datapath.decide(Frontend(family: family)) == .none(family, COUNT_PASS_NOT_A_SERVICE))
            }
        }

        @Test("a remembered backend is usable in the set of the policy only", arguments: Family.allCases)
        func knowsUsable(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            for (id, sets) in zip(UInt32(1)..., [(true, true), (true, false), (false, true), (false, false)]) {
                let (cluster, local) = sets
                let backend = Backend(id: id, service: 3, number: 8, inCluster: cluster, inLocal: local)
                try datapath.put(family, backend)
                let address = family.pod(8)
                let (inCluster, inLocal) = (cluster ? address : nil, local ? address : nil)
                #expect(try datapath.usable(family, service: 3, backend: id, policy: CLUSTER) == inCluster)
                #expect(try datapath.usable(family, service: 3, backend: id, policy: LOCAL) == inLocal)
                #expect(try datapath.usable(family, service: 4, backend: id, policy: CLUSTER) == nil)
                // Who has a flow there stays while it serves, and that is as long as it is in the map.
                #expect(
                    try datapath.usable(family, service: 3, backend: id, policy: CLUSTER, hasFlow: true) == address)
                #expect(try datapath.usable(family, service: 4, backend: id, policy: CLUSTER, hasFlow: true) == nil)
            }
            #expect(try datapath.usable(family, service: 3, backend: 99, policy: CLUSTER) == nil)
        }
    }
}
