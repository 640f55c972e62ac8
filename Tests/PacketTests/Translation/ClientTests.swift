import CDatapath
import NetworkLab
import ServiceModel
import TestKit
import Testing

/// Everything about translation at tc, packet by packet.
@Suite(
    "Translation at tc", .tags(.kernel), .serialized, .enabled(if: Kernel.canLoadPrograms, Kernel.reason), .translation)
enum TranslationTests {}

extension TranslationTests {
    /// A Service with one endpoint, and how a client reaches it.
    struct Route: CustomTestStringConvertible, Sendable {
        var door: TestService.Door
        var transport: Transport
        var family: Family
        var isLocal: Bool
        var keepsClient = false
        /// Another Service than the usual one.
        var given: TestService?

        var service: TestService {
            if let given { return given }
            var service = TestService(transport: transport, local: isLocal ? [11] : [], remote: isLocal ? [] : [11])
            if keepsClient { service.change = { $0.externalPolicy = .local } }
            return service
        }

        var frontend: SocketAddress { service.frontend(door, family) }
        var backend: SocketAddress { service.endpoint(family) }

        var testDescription: String {
            let policy = keepsClient ? ", Local" : ""
            return "\(door) \(transport) \(family) to a \(isLocal ? "local" : "remote") pod\(policy)"
        }

        static let all: [Route] = TestService.Door.allCases.flatMap { door in
            Transport.allCases.flatMap { transport in
                Family.allCases.flatMap { family in
                    [true, false].map { Route(door: door, transport: transport, family: family, isLocal: $0) }
                }
            }
        }

        /// The external policy Local, from outside.
        static let kept: [Route] = all.filter { $0.door != .clusterIP && $0.isLocal }.map { route in
            var route = route
            route.keepsClient = true
            return route
        }
    }

    @Suite("A client outside the node")
    struct ClientTests {
        @Test("reaches an endpoint, and gets the answer from where it asked", arguments: Route.all + Route.kept)
        func reaches(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            #expect(exchange.seen.address == (route.isLocal ? exchange.client : route.family.node).address)
            #expect(route.isLocal ? exchange.seen.port == exchange.client.port : isMasqueradePort(exchange.seen.port))
            #expect(try lab.flows(route.family).count == 1)
            if route.transport == .tcp { try exchange.talk(lab) }
            #expect(try lab.flows(route.family).count == 1, "one flow")
            #expect(try lab.tuples(route.family) == (route.isLocal ? 2 : 3))
        }
    }

    /// Whether the port is one of those that `masq_ports` of the tests names.
    static func isMasqueradePort(_ port: UInt16) -> Bool { (1_024...29_999).contains(port) || port >= 61_000 }

    /// A flow of a client outside: it sends one packet and gets one back, and each is what it must be, where it arrives
    /// and where it departs. To a pod of this node without programs of ours it departs as it arrived.
    struct Exchange {
        let route: Route
        let client: SocketAddress
        /// The client, as the kernel sees it.
        let inner: SocketAddress
        /// The client, as the endpoint sees it.
        let seen: SocketAddress

        init(_ route: Route, _ lab: TranslationLab, client: SocketAddress? = nil) throws {
            self.route = route
            self.client = client ?? route.family.outside()
            let request = Packet.first(route.transport, self.client, route.frontend)
            inner = try lab.run(request, .wireIn).packet.source
            let arrived = request.changing(source: inner, destination: route.backend)
            seen = route.isLocal ? inner : try lab.run(arrived, .wireOut, arrival: .eth0).packet.source
            try expectForwarded(request, lab)
            try expectAnswered(request.changing(source: seen, destination: route.backend).reply(payload: [7]), lab)
        }

        /// What goes on in an open TCP connection, with its end.
        func talk(_ lab: TranslationLab) throws {
            for flags: TCPSegment.Flags in [.ack, [.push, .ack], [.fin, .ack], .ack] {
                try expectForwarded(Packet.tcp(client, route.frontend, flags, payload: [1, 2, 3]), lab)
                try expectAnswered(Packet.tcp(route.backend, seen, flags, payload: [4, 5]), lab)
            }
        }

        /// The kernel forwards it in between: its hops are left alone.
        func expectForwarded(_ request: Packet, _ lab: TranslationLab) throws {
            let arrived = try lab.run(request, .wireIn)
            #expect(arrived.action == .passOn)
            let forwarded = request.changing(source: inner, destination: route.backend)
            expectEqual(arrived.bytes, forwarded)
            guard !route.isLocal else { return }
            let departed = try lab.run(forwarded, .wireOut, arrival: .eth0)
            #expect(departed.action == .passOn)
            expectEqual(departed.bytes, forwarded.changing(source: seen))
        }

        /// What the endpoint sends to the client as it sees it, the client gets from the frontend.
        func expectAnswered(_ answer: Packet, _ lab: TranslationLab) throws {
            var forwarded = answer
            if !route.isLocal {
                let arrived = try lab.run(answer, .wireIn)
                #expect(arrived.action == .passOn)
                forwarded = answer.changing(destination: inner)
                expectEqual(arrived.bytes, forwarded)
            }
            let departed = try lab.run(forwarded, .wireOut, arrival: route.isLocal ? .pod0 : .eth0)
            #expect(departed.action == .passOn)
            expectEqual(departed.bytes, forwarded.changing(source: route.frontend, destination: client))
        }
    }
}

extension TranslationLab {
    /// Takes a packet from the client's side through the node: what arrives, and then departs to another node's pod.
    func cross(_ packet: Packet, _ route: TranslationTests.Route) throws -> Verdict {
        let arrived = try run(packet, .wireIn)
        return route.isLocal ? arrived : try run(arrived.bytes, .wireOut, arrival: .eth0)
    }

    /// The same from the endpoint's side.
    func crossBack(_ packet: Packet, _ route: TranslationTests.Route) throws -> Verdict {
        if route.isLocal { return try run(packet, .wireOut, arrival: .pod0) }
        return try run(run(packet, .wireIn).bytes, .wireOut, arrival: .eth0)
    }
}

extension Family {
    /// The node's address towards its pods.
    var podGateway: SocketAddress { self == .v4 ? "10.244.1.1:0" : "[fd00:10:244:1::1]:0" }
}
