import CDatapath
import Glibc
import NetworkLab
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    /// What the programs are told at load; each test has a lab of its own.
    @Suite("Settings")
    struct SettingTests {
        @Test("a ClusterIP is nobody's for clients outside, unless it is said")
        func hidesClusterIP() throws {
            let lab = try TranslationLab { $0.external_cluster_ip = 0 }
            let service = TestService()
            try lab.serve([service])
            for family in Family.allCases {
                let clusterIP = service.frontend(.clusterIP, family)
                for port in [clusterIP.port, 81] {
                    let frontend = SocketAddress(address: clusterIP.address, port: port)
                    let request = Packet.tcp(family.outside(), frontend)
                    let verdict = try lab.run(request, .wireIn)
                    #expect(verdict.action == .passOn)
                    expectUntouched(verdict.bytes, request.bytes)
                    #expect(try lab.run(request.changing(source: family.pod(77)), .podIn).bytes != request.bytes)
                }
                // A door that is meant for them is open.
                let request = Packet.tcp(family.outside(), service.frontend(.loadBalancer, family))
                #expect(try lab.run(request, .wireIn).packet.destination == service.endpoint(family))
            }
        }

        /// Spec 18: to a Service with the policy Local, pods get in where clients outside do not.
        @Test("clients inside are told by their ranges, up to the last one, or by the device that they come from")
        func tellsInside() throws {
            let ranges = try TranslationLab {
                // Seven ranges of one address each that is nobody's, and then the client's.
                for family in Family.allCases {
                    let addresses = (100...106).map { family.outside($0) } + [family.outside()]
                    let ranges = addresses.flatMap { endpoint -> [UInt8] in
                        let bytes = Array(endpoint.ip.bytes)
                        return bytes + [UInt8](repeating: 255, count: bytes.count)
                    }
                    if family == .v4 { fill(&$0.cluster4, ranges) } else { fill(&$0.cluster6, ranges) }
                }
            }
            let device = try TranslationLab { $0.from_pods = 1 }
            let service = TestService(local: [], remote: [11]) { $0.externalPolicy = .local }
            for lab in [ranges, device] { try lab.serve([service]) }
            for family in Family.allCases {
                let (named, other) = (family.outside(2), family.outside(3))
                func isServed(_ client: SocketAddress, _ lab: TranslationLab) throws -> Bool {
                    let verdict = try lab.run(.tcp(client, service.frontend(.nodePort, family)), .wireIn)
                    return try verdict.action == .passOn && verdict.packet.destination == service.endpoint(family)
                }
                #expect(try isServed(named, ranges))
                #expect(try !isServed(other, ranges))
                #expect(try isServed(other, device))
            }
        }

        /// Spec 36e.
        @Test("all clients look like the node to other nodes' pods, if that is said")
        func masqueradesAll() throws {
            let lab = try TranslationLab { $0.masquerade_all = 1 }
            let service = TestService(local: [], remote: [11])
            try lab.serve([service])
            for family in Family.allCases {
                let request = Packet.tcp(family.pod(77), service.frontend(.clusterIP, family))
                let inner = request.changing(destination: service.endpoint(family))
                expectEqual(try lab.run(request, .podIn).bytes, inner)
                let departed = try lab.run(inner, .wireOut, arrival: .pod0)
                let seen = try departed.packet.source
                #expect(seen.address == family.node.address && isMasqueradePort(seen.port))
                expectEqual(departed.bytes, inner.changing(source: seen))
            }
        }

        /// A flow is as old as its last packet; each protocol and each state of it has a time-out of its own.
        @Test(
            "a UDP flow is forgotten after its time-out, a stream and a question without an answer",
            arguments: [true, false])
        func forgets(isStream: Bool) throws {
            let lab = try TranslationLab {
                if isStream { $0.udp_stream_seconds = 10 } else { $0.udp_seconds = 10 }
            }
            for family in Family.allCases {
                let route = Route(door: .nodePort, transport: .udp, family: family, isLocal: false)
                try lab.serve([route.service])
                let answered = try Exchange(route, lab, client: family.outside(2)).client
                try lab.ageFlows(family, seconds: 3)
                // One client is answered and goes on, the other one is not: the time-out is for one of them.
                let silent = family.outside(3)
                for client in [answered, silent] { _ = try lab.run(.udp(client, route.frontend), .wireIn) }
                #expect(try lab.flows(family).sorted { $0.rawValue < $1.rawValue } == [FLOW_NEW, FLOW_ESTABLISHED])
                try lab.ageFlows(family, seconds: 11)
                for (client, isForgotten) in [(answered, isStream), (silent, !isStream)] {
                    let before = try lab.count(of: COUNT_FLOW_BEGUN)
                    _ = try lab.run(.udp(client, route.frontend), .wireIn)
                    #expect(
                        try lab.count(of: COUNT_FLOW_BEGUN) - before == (isForgotten ? 1 : 0), "\(family) \(client)")
                }
            }
        }

        /// A SYN with the ports of a connection begins a new one once the old one has waited too long for its second FIN.
        @Test("a half-closed connection is forgotten after its time-out, an open one is not")
        func forgetsHalfClosed() throws {
            let lab = try TranslationLab { $0.tcp_close_wait_seconds = 1 }
            let route = Route(door: .nodePort, transport: .tcp, family: .v4, isLocal: false)
            try lab.serve([route.service])
            let (open, closing) = try (
                Exchange(route, lab, client: Family.v4.outside(2)), Exchange(route, lab, client: Family.v4.outside(3))
            )
            _ = try lab.run(.tcp(closing.client, route.frontend, [.fin, .ack]), .wireIn)
            usleep(1_200_000)
            for (exchange, isForgotten) in [(open, false), (closing, true)] {
                let before = try lab.count(of: COUNT_FLOW_BEGUN)
                _ = try lab.run(.tcp(exchange.client, route.frontend), .wireIn)
                #expect(try lab.count(of: COUNT_FLOW_BEGUN) - before == (isForgotten ? 1 : 0))
            }
        }

        /// Spec 51: a connection begins with a SYN; everything else belongs to somebody already.
        @Test("a connection that began before us is left to the stack")
        func leavesOpenConnections() throws {
            let lab = try TranslationLab.current
            let service = TestService()
            try lab.serve([service])
            for family in Family.allCases {
                let frontend = service.frontend(.nodePort, family)
                for flags in [[.ack], [.ack, .fin], [.syn, .ack], [.fin]] as [TCPSegment.Flags] {
                    let packet = Packet.tcp(family.outside(), frontend, flags)
                    let verdict = try lab.run(packet, .wireIn)
                    expectUntouched(verdict.bytes, packet.bytes, "\(flags)")
                }
                #expect(try lab.flows(family).isEmpty)
                let request = Packet.tcp(family.outside(3), frontend)
                #expect(try lab.run(request, .wireIn).packet.destination == service.endpoint(family))
                // Of a connection that began with us, every packet is ours.
                let next = Packet.tcp(family.outside(3), frontend, [.ack])
                #expect(try lab.run(next, .wireIn).packet.destination == service.endpoint(family))
            }
        }

        /// A pod whose device has our programs sees the node, as kube-proxy does it; answers are met where they arrive.
        @Test("pods behind our programs see the node", arguments: Transport.allCases)
        func masqueradesLocalPods(transport: Transport) throws {
            let lab = try TranslationLab()
            try lab.enterPodDevice()
            let service = TestService(transport: transport)
            try lab.serve([service])
            for family in Family.allCases {
                let frontend = service.frontend(.nodePort, family)
                let request = Packet.first(transport, family.outside(), frontend)
                let inner = request.changing(destination: service.endpoint(family))
                expectEqual(try lab.run(request, .wireIn).bytes, inner)
                let departed = try lab.run(inner, .podOut, arrival: .eth0)
                let seen = try departed.packet.source
                #expect(seen.address == family.podGateway.address && isMasqueradePort(seen.port))
                let translated = inner.changing(source: seen)
                expectEqual(departed.bytes, translated)
                let answer = translated.reply(payload: [1])
                let back = try lab.run(answer, .podIn)
                expectEqual(back.bytes, answer.changing(destination: family.outside()))
                let sent = try lab.run(back.packet, .wireOut, arrival: .pod0)
                expectEqual(sent.bytes, answer.changing(source: frontend, destination: family.outside()))
            }
        }

        /// The device gets its programs when flows are there, because the Service's first endpoints were just found.
        @Test(
            "a flow that a pod has answered before its device had programs goes on as it is",
            arguments: Transport.allCases)
        func begunBeforePrograms(transport: Transport) throws {
            let lab = try TranslationLab()
            let service = TestService(transport: transport)
            try lab.serve([service])
            for family in Family.allCases {
                let frontend = service.frontend(.nodePort, family)
                let request = Packet.first(transport, family.outside(), frontend)
                let inner = request.changing(destination: service.endpoint(family))
                expectEqual(try lab.run(request, .wireIn).bytes, inner)
                let answer = inner.reply(payload: [1])
                let sent = try lab.run(answer, .wireOut, arrival: .pod0)
                expectEqual(sent.bytes, answer.changing(source: frontend))
                let next = transport == .tcp ? Packet.tcp(family.outside(), frontend, [.ack]) : request
                let arrived = try lab.run(next, .wireIn)
                expectEqual(arrived.bytes, next.changing(destination: service.endpoint(family)))
                expectEqual(try lab.run(arrived.packet, .podOut, arrival: .eth0).bytes, try arrived.packet)
                expectEqual(try lab.run(answer, .wireOut, arrival: .pod0).bytes, answer.changing(source: frontend))
            }
        }
    }
}
