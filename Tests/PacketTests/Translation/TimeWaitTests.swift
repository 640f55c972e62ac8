import BPFLoader
import CDatapath
import NetworkLab
import ServiceMaps
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    /// Where an endpoint closed its connection first it knows its tuple for another 60 s, and takes a stranger's SYN with
    /// it for a packet of the old connection.
    @Suite("Closed connections")
    struct TimeWaitTests {
        private static let services = [TestService(), TestService(name: "other", number: 16, nodePort: 30_081)]

        private func route(_ number: Int, _ family: Family) -> Route {
            Route(door: .nodePort, transport: .tcp, family: family, isLocal: true, given: Self.services[number])
        }

        /// A connection by the first Service, that both ends have closed.
        private func close(_ lab: TranslationLab, _ family: Family) throws -> Exchange {
            try lab.serve(Self.services)
            let exchange = try Exchange(route(0, family), lab)
            try exchange.talk(lab)
            return exchange
        }

        @Test("keep their port from others for 60 s, whoever has what the client asked", arguments: Family.allCases)
        func keepsPort(family: Family) throws {
            let lab = try TranslationLab.current
            let exchange = try close(lab, family)
            // The client's port comes again, and leads elsewhere.
            let elsewhere = TestService(local: [12])
            try lab.replace([elsewhere, Self.services[1]])
            let again = try lab.run(.tcp(exchange.client, exchange.route.frontend), .wireIn).packet
            #expect(again.destination == elsewhere.endpoint(family))
            // And once more, by another Service, to the endpoint.
            let request = Packet.tcp(exchange.client, route(1, family).frontend)
            let other = try lab.run(request, .wireIn).packet
            #expect(other.destination == exchange.route.backend)
            #expect(other.source != exchange.seen, "the endpoint may be in TIME_WAIT")
            // What has not been answered is over then.
            try lab.ageFlows(family, seconds: 61)
            #expect(try lab.run(request, .wireIn).packet.source == exchange.seen)
        }

        @Test("give their port to the same client's next one by the same frontend", arguments: Family.allCases)
        func givesPort(family: Family) throws {
            let lab = try TranslationLab.current
            let exchange = try close(lab, family)
            let next = try Exchange(exchange.route, lab)
            #expect(next.seen == exchange.seen)
            try next.talk(lab)
            #expect(try lab.flows(family).count == 1)
        }

        @Test("give it to anyone before a client is refused", arguments: Family.allCases)
        func givesLastPort(family: Family) throws {
            let lab = try TranslationLab()
            try lab.map("masq_ports").update(UInt32(0), to: masq_ports([20_000...20_001, 20_002...20_003]))
            try lab.serve(Self.services)
            let doors: [TestService.Door] = [.nodePort, .loadBalancer, .externalIP]
            for service in Self.services {
                for door in doors {
                    let route = Route(door: door, transport: .tcp, family: family, isLocal: true, given: service)
                    try Exchange(route, lab).talk(lab)
                }
            }
            #expect(try lab.count(of: COUNT_REFUSE_NO_PORT) == 0)
        }
    }

    /// An endpoint may know the client's port from a connection that nobody here has seen begin. It answers a SYN with
    /// what that connection says then, and no flow answers a SYN like this (spec 52).
    @Suite("What an endpoint knows already")
    struct KnownTupleTests {
        private static let routes = Route.all.filter { $0.door == .nodePort && $0.transport == .tcp }

        @Test("keeps its port: the flow takes another one with the next SYN", arguments: routes)
        func stepsAside(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let request = Packet.tcp(route.family.outside(), route.frontend)
            let seen = try forward(request, route, lab)
            let answer = Packet.tcp(route.backend, seen, .ack)
            let hooks: [Hook] = route.isLocal ? [.podIn, .wireOut] : [.wireIn]
            for hook in hooks {
                expectUntouched(try lab.run(answer, hook).bytes, answer.bytes, "\(hook): it is another connection's")
            }
            #expect(try lab.flows(route.family).count == 1)
            #expect(try lab.tuples(route.family) == (route.isLocal ? 2 : 3))
            let exchange = try Exchange(route, lab)
            #expect(exchange.seen.port != seen.port)
            try exchange.talk(lab)
            expectUntouched(try lab.run(answer, hooks[0]).bytes, answer.bytes, "and still is")
        }

        @Test("does not count once the endpoint has answered", arguments: routes)
        func stays(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            try exchange.expectAnswered(.tcp(route.backend, exchange.seen, .ack), lab)
            #expect(try lab.tuples(route.family) == (route.isLocal ? 2 : 3))
        }

        /// The client's connection past Services asks for what the flow has towards the endpoint.
        @Test(
            "stays apart from a connection that got another port, behind programs on the pod's device",
            arguments: Route.kept.filter { $0.door == .nodePort && $0.transport != .sctp })
        func staysApart(route: Route) throws {
            let lab = try TranslationLab(.noted)
            try lab.serve([route.service])
            let client = route.family.outside()
            func reach(_ packet: Packet) throws -> Packet {
                try lab.run(lab.run(packet, .wireIn), .podOut, arrival: .eth0).packet
            }
            let first = Packet.first(route.transport, client, route.frontend)
            expectEqual(try reach(first), first.changing(destination: route.backend))
            let direct = Packet.first(route.transport, client, route.backend)
            let renamed = try reach(direct).source
            #expect(renamed.address == client.address && renamed.port != client.port)
            let (later, directLater) =
                route.transport == .tcp
                ? (Packet.tcp(client, route.frontend, .ack), Packet.tcp(client, route.backend, .ack)) : (first, direct)
            expectEqual(try reach(later), later.changing(destination: route.backend))
            expectEqual(try reach(directLater), directLater.changing(source: renamed))
        }

        /// It answers a connection that went past the node, from the port of one that is closed.
        @Test("ends a closed flow when it answers another SYN", arguments: routes)
        func endsClosed(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            try exchange.talk(lab)
            let answer = Packet.tcp(route.backend, exchange.seen, [.syn, .ack])
            expectUntouched(try lab.run(answer, route.isLocal ? .wireOut : .wireIn).bytes, answer.bytes)
            #expect(try lab.flows(route.family).isEmpty)
            #expect(try lab.tuples(route.family) == 0)
        }

        /// A pod on macvlan: nobody here sees what it and the client say to each other past the node.
        @Test(
            "leaves the client its port, where the endpoint is on the client's side",
            arguments: Route.kept.filter { $0.door == .nodePort && $0.transport != .sctp })
        func turnsBack(route: Route) throws {
            let lab = try TranslationLab(.noted)
            try lab.serve([route.service])
            let client = route.family.outside()
            func reach(_ packet: Packet) throws -> Packet {
                try lab.run(lab.run(packet, .wireIn), .wireOut, arrival: .eth0).packet
            }
            let first = Packet.first(route.transport, client, route.frontend)
            let seen = try reach(first).source
            #expect(seen.address == client.address && seen.port != client.port)
            expectEqual(try reach(first), first.changing(source: seen, destination: route.backend), "once more")
            let straight = Packet.first(route.transport, client, route.backend).reply()
            expectUntouched(try lab.run(straight, .wireOut).bytes, straight.bytes)
            let own = Packet.first(route.transport, seen, route.backend).reply()
            expectEqual(
                try lab.run(own, .wireOut).packet, own.changing(source: route.frontend, destination: client))
        }

        /// What the endpoint sees as the request's source.
        private func forward(_ request: Packet, _ route: Route, _ lab: TranslationLab) throws -> SocketAddress {
            let arrived = try lab.run(request, .wireIn).packet
            return route.isLocal ? arrived.source : try lab.run(arrived, .wireOut, arrival: .eth0).packet.source
        }
    }
}
