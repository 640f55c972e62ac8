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

        var service: TestService {
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
            let seen = exchange.seen
            #expect(seen.address == (route.isLocal ? exchange.client : route.family.node).address)
            #expect(seen.port == exchange.client.port)
            #expect(try lab.flowEntries(route.family) == 2)
            if route.transport == .tcp { try exchange.talk(lab) }
            #expect(try lab.flowEntries(route.family) == 2, "one flow")
        }
    }

    /// A flow of a client outside: it sends one packet and gets one back, and each is what it must be.
    struct Exchange {
        let route: Route
        let client: SocketAddress
        /// The client, as the endpoint sees it.
        let seen: SocketAddress

        init(_ route: Route, _ lab: TranslationLab, client: SocketAddress? = nil) throws {
            self.route = route
            self.client = client ?? route.family.outside()
            let request = Packet.first(route.transport, self.client, route.frontend)
            let sent = try lab.run(request, .wireIn)
            seen = try sent.packet.source
            expectForwarded(sent, request)
            try expectAnswered(request.changing(source: seen, destination: route.backend).reply(payload: [7]), lab)
        }

        /// What goes on in an open TCP connection, with its end.
        func talk(_ lab: TranslationLab) throws {
            for flags: TCPSegment.Flags in [.ack, [.push, .ack], [.fin, .ack], .ack] {
                let request = Packet.tcp(client, route.frontend, flags, payload: [1, 2, 3])
                expectForwarded(try lab.run(request, .wireIn), request)
                try expectAnswered(Packet.tcp(route.backend, seen, flags, payload: [4, 5]), lab)
            }
        }

        /// To a pod of this node through the stack, as it came but for the destination; otherwise at once.
        func expectForwarded(_ verdict: Verdict, _ request: Packet) {
            #expect(verdict.action == (route.isLocal ? .passOn : .redirect))
            let hops: UInt8 = route.isLocal ? 64 : 63
            expectEqual(verdict.bytes, request.changing(source: seen, destination: route.backend, hops: hops))
        }

        /// What the endpoint sends to the client as it sees it, the client gets from the frontend.
        func expectAnswered(_ answer: Packet, _ lab: TranslationLab) throws {
            let hook: Hook = route.isLocal ? .wireOut : .wireIn
            let verdict = try lab.run(answer, hook, arrival: route.isLocal ? .pod0 : nil)
            #expect(verdict.action == (route.isLocal ? .passOn : .redirect))
            let hops: UInt8 = route.isLocal ? 64 : 63
            expectEqual(
                verdict.bytes, answer.changing(source: route.frontend, destination: client, hops: hops))
        }
    }
}

extension Family {
    /// The node's address towards its pods.
    var podGateway: SocketAddress { self == .v4 ? "10.244.1.1:0" : "[fd00:10:244:1::1]:0" }
}
