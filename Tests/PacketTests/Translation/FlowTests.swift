import BPFLoader
import CDatapath
import Glibc
import NetworkLab
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    @Suite("Flows")
    struct FlowTests {
        private func remote(_ name: String = "api", number: Int = 15, nodePort: UInt16 = 30_080) -> TestService {
            TestService(name: name, number: number, nodePort: nodePort, local: [], remote: [11])
        }

        /// Two clients with equal ports; the second flow gets another port of the node.
        @Test(
            "clients with equal ports to one endpoint do not cross", arguments: Family.allCases,
            [.tcp, .udp] as [Transport])
        func separatesClients(family: Family, transport: Transport) throws {
            let lab = try TranslationLab.current
            let route = Route(door: .nodePort, transport: transport, family: family, isLocal: false)
            try lab.serve([route.service])
            let exchanges = try (2...9).map { try Exchange(route, lab, client: family.outside($0)) }
            #expect(Set(exchanges.map(\.seen)).count == 8)
            if transport == .tcp { for exchange in exchanges { try exchange.talk(lab) } }
            #expect(try lab.flows(family).count == 8)
        }

        /// One client, one port, two Services with the same endpoint.
        @Test("Services that share an endpoint do not cross", arguments: Family.allCases, [true, false])
        func separatesServices(family: Family, isLocal: Bool) throws {
            let lab = try TranslationLab.current
            let (first, second) =
                isLocal
                ? (TestService(), TestService(name: "other", number: 16, nodePort: 30_081))
                : (remote(), remote("other", number: 16, nodePort: 30_081))
            try lab.serve([first, second])
            let client = family.outside()
            var exchanges: [Exchange] = []
            for service in [first, second] {
                let route = Route(door: .nodePort, transport: .tcp, family: family, isLocal: isLocal, given: service)
                exchanges.append(try Exchange(route, lab, client: client))
            }
            #expect(exchanges[0].seen != exchanges[1].seen)
            for exchange in exchanges { try exchange.talk(lab) }
        }

        /// Spec 31, 33.
        @Test("an open connection keeps its endpoint when that is gone, a new one does not", arguments: Family.allCases)
        func outlivesEndpoint(family: Family) throws {
            let lab = try TranslationLab.current
            let route = Route(door: .nodePort, transport: .tcp, family: family, isLocal: false)
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            try lab.replace([TestService(local: [], remote: [12])])
            try exchange.talk(lab)
            let fresh = Packet.tcp(family.outside(port: 40_001), route.frontend)
            #expect(
                try lab.run(fresh, .wireIn).packet.destination == TestService(local: [], remote: [12]).endpoint(family))
        }

        /// Spec 32: a datagram has no connection that would break.
        @Test("a UDP flow moves when its endpoint is gone", arguments: Family.allCases)
        func movesDatagrams(family: Family) throws {
            let lab = try TranslationLab.current
            let route = Route(door: .nodePort, transport: .udp, family: family, isLocal: false)
            try lab.serve([route.service])
            _ = try Exchange(route, lab)
            let moved = TestService(transport: .udp, local: [], remote: [12])
            try lab.replace([moved])
            let verdict = try lab.run(.udp(family.outside(), route.frontend), .wireIn)
            #expect(try verdict.packet.destination == moved.endpoint(family))
        }

        @Test(
            "a VIP that a pod's socket left to the packets gets a port of its own, and the socket hears that they came",
            arguments: Family.allCases)
        func parts(family: Family) throws {
            let lab = try TranslationLab.current
            let (left, usual) = (
                TestService(transport: .udp), TestService(name: "other", number: 16, transport: .udp, nodePort: 30_081)
            )
            try lab.serve([left, usual])
            let client = family.pod(77)
            var key = parted_vip_key()
            let vip = left.frontend(.clusterIP, family)
            fill(&key.address, (vip.isV4 ? [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] : []) + vip.address)
            (key.port, key.client) = (vip.port, client.port)
            let way = packet_way_key(netns_cookie: 7, family: family == .v4 ? 4 : 6, pad: (0, 0, 0, 0, 0, 0, 0))
            let ways = try lab.map("packet_ways")
            try lab.map("parted_vips").update(key, to: parted_vip(netns_cookie: 7))

            var seen: UInt64 = 0
            var ports: Set<UInt16> = []
            for _ in 0..<3 {
                try ways.update(way, to: packet_way(left: 1, seen: 0))
                let question = try lab.run(.udp(client, vip), .podIn).packet
                #expect(question.destination == left.endpoint(family))
                ports.insert(question.source.port)
                let last = try ways.lookup(way, as: packet_way.self)?.seen ?? 0
                #expect(last > seen, "each says so")
                seen = last
                let answer = try lab.run(.udp(left.endpoint(family), question.source), .podOut).packet
                #expect(answer.source == vip)
                #expect(answer.destination == client)
            }
            #expect(ports.count == 1 && !ports.contains(client.port))
            let other = try lab.run(.udp(client, usual.frontend(.clusterIP, family)), .podIn).packet
            #expect(other.source == client, "what no socket left keeps its port")
            _ = try lab.map("parted_vips").delete(key)
        }

        /// Spec 59: as the kernel's connection tracking sees it.
        @Test("a question and its answer are no stream", arguments: Family.allCases)
        func streams(family: Family) throws {
            let lab = try TranslationLab.current
            let route = Route(door: .nodePort, transport: .udp, family: family, isLocal: false)
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            let answer = Packet.udp(route.backend, exchange.seen)
            for _ in 0..<2 {
                try exchange.expectAnswered(answer, lab)
                #expect(try lab.flows(family) == [FLOW_ANSWERED])
            }
            try lab.ageFlows(family, seconds: 3)
            try exchange.expectForwarded(.udp(exchange.client, route.frontend), lab)
            #expect(try lab.flows(family) == [FLOW_ESTABLISHED])
            try lab.ageFlows(family, seconds: 31)
            try exchange.expectAnswered(answer, lab)

            let other = try Exchange(route, lab, client: family.outside(port: 40_009))
            try other.expectAnswered(.udp(route.backend, other.seen), lab)
            try lab.ageFlows(family, seconds: 31)
            let late = Packet.udp(route.backend, other.seen)
            expectUntouched(try lab.run(late, .wireIn).bytes, late.bytes, "it is over")
        }

        /// A port that comes again after the end of its connection is a new connection.
        @Test(
            "a port may be used again after both have said FIN, or one RST", arguments: Family.allCases, [true, false])
        func reusesPort(family: Family, resets: Bool) throws {
            let lab = try TranslationLab.current
            let route = Route(door: .nodePort, transport: .tcp, family: family, isLocal: false)
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            if resets {
                try exchange.expectForwarded(Packet.tcp(exchange.client, route.frontend, [.reset, .ack]), lab)
            } else {
                try exchange.talk(lab)
            }
            let other = TestService(local: [], remote: [12])
            try lab.replace([other])
            let verdict = try lab.run(.tcp(exchange.client, route.frontend), .wireIn)
            #expect(verdict.action == .passOn)
            #expect(try verdict.packet.destination == other.endpoint(family), "a new choice")
            #expect(try lab.flows(family).count == (resets ? 1 : 2), "the closed one keeps its port")
        }

        @Test("a SYN that is sent again goes the same way", arguments: Family.allCases)
        func repeats(family: Family) throws {
            let lab = try TranslationLab.current
            let service = TestService(local: [], remote: Array(11...40))
            try lab.serve([service])
            let request = Packet.tcp(family.outside(), service.frontend(.nodePort, family))
            let first = try lab.run(request, .wireIn)
            for _ in 0..<10 { #expect(try lab.run(request, .wireIn).bytes == first.bytes) }
            #expect(try lab.flows(family).count == 1)
        }

        /// Both ends may send the first packet at once; each then answers the other's SYN.
        @Test("a SYN of the endpoint that crosses the client's belongs to its flow", arguments: Family.allCases)
        func opensAtOnce(family: Family) throws {
            let lab = try TranslationLab.current
            let route = Route(door: .nodePort, transport: .tcp, family: family, isLocal: false)
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            for flags: TCPSegment.Flags in [.syn, [.syn, .ack], .ack] {
                try exchange.expectAnswered(Packet.tcp(route.backend, exchange.seen, flags), lab)
                try exchange.expectForwarded(Packet.tcp(exchange.client, route.frontend, flags), lab)
            }
            #expect(try lab.flows(family).count == 1)
        }

        /// Spec 34: by client address, for all frontends of the service port.
        @Test("affinity goes by client and service port", arguments: Family.allCases)
        func sticks(family: Family) throws {
            let lab = try TranslationLab.current
            let service = TestService(local: [], remote: Array(11...40)) { $0.affinitySeconds = 600 }
            try lab.serve([service])
            var chosen: Set<[UInt8]> = []
            for client in 2...9 {
                var endpoints: Set<[UInt8]> = []
                for (index, door) in TestService.Door.allCases.enumerated() {
                    let source = family.outside(client, port: UInt16(41_000 + index))
                    endpoints.insert(
                        try lab.run(.tcp(source, service.frontend(door, family)), .wireIn).packet.ip.destination)
                }
                #expect(endpoints.count == 1, "client \(client)")
                chosen.formUnion(endpoints)
            }
            #expect(chosen.count > 1)
        }

        /// Spec 38.
        @Test("each endpoint gets its part", arguments: Family.allCases)
        func spreads(family: Family) throws {
            let lab = try TranslationLab.current
            let service = TestService(transport: .udp, local: [], remote: [11, 12, 13, 14])
            try lab.serve([service])
            var counts: [[UInt8]: Int] = [:]
            try lab.inside { runner in
                for port in UInt16(20_000)..<20_400 {
                    let request = Packet.udp(family.outside(port: port), service.frontend(.nodePort, family))
                    counts[try runner.run(request.bytes, .wireIn).packet.ip.destination, default: 0] += 1
                }
            }
            #expect(counts.count == 4)
            // Five standard deviations of a binomial distribution with n = 400 and p = 1/4.
            for count in counts.values { #expect((57...143).contains(count)) }
        }

        /// Spec 36d: it would throw away what seems to come from itself.
        @Test("a pod that reaches itself sees the node", arguments: Family.allCases)
        func hairpins(family: Family) throws {
            let lab = try TranslationLab.current
            let service = TestService()
            try lab.serve([service])
            let pod = SocketAddress(address: service.endpoint(family).address, port: 40_000)
            let request = Packet.tcp(pod, service.frontend(.clusterIP, family))
            let arrived = try lab.run(request, .podIn)
            let inner = request.changing(destination: service.endpoint(family))
            expectEqual(arrived.bytes, inner)
            let departed = try lab.run(inner, .podOut, arrival: .pod0)
            let seen = try departed.packet.source
            #expect(seen.address == family.node.address && isMasqueradePort(seen.port))
            let translated = inner.changing(source: seen)
            expectEqual(departed.bytes, translated)
            let answer = try lab.run(translated.reply(), .podIn)
            expectEqual(answer.bytes, translated.reply().changing(destination: pod))
            let back = try lab.run(answer.packet, .podOut, arrival: .pod0)
            expectEqual(back.bytes, translated.reply().changing(source: request.destination, destination: pod))
        }

        /// Spec 37.
        @Test("another pod is seen as it is", arguments: Family.allCases, Transport.allCases)
        func keepsPod(family: Family, transport: Transport) throws {
            let lab = try TranslationLab.current
            let service = TestService(transport: transport)
            try lab.serve([service])
            let pod = family.pod(77)
            let request = Packet.first(transport, pod, service.frontend(.clusterIP, family))
            let verdict = try lab.run(request, .podIn)
            #expect(verdict.action == .passOn)
            expectEqual(verdict.bytes, request.changing(destination: service.endpoint(family)))
            let answer = request.changing(destination: service.endpoint(family)).reply(payload: [1])
            let back = try lab.run(answer, .podOut, arrival: .pod0)
            #expect(back.action == .passOn)
            expectEqual(back.bytes, answer.changing(source: service.frontend(.clusterIP, family)))
        }
    }
}
