import CDatapath
import NetworkLab
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    @Suite("ICMP errors")
    struct ErrorTests {
        private static let reasons: [ICMPReason] = [
            .tooBig(mtu: 1_300), .hostUnreachable, .portUnreachable, .timeExceeded,
        ]

        private static let routes =
            Route.all.filter { $0.door == .nodePort } + Route.kept.filter { $0.door == .nodePort }

        /// A router between the node and the client says that an answer was too big, for example: the pod must hear it,
        /// about the packet that it sent.
        @Test("of the way back reach the endpoint", arguments: routes, reasons)
        func reachEndpoint(route: Route, reason: ICMPReason) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            let router: SocketAddress = route.family == .v4 ? "198.51.100.254:0" : "[2001:db8:1::fe]:0"
            let sent = Packet.first(route.transport, route.backend, exchange.seen).changing(hops: 60)
            let onTheWay = sent.changing(source: route.frontend, destination: exchange.client)
            let error = Packet.error(reason, from: router, about: onTheWay)
            let verdict = try lab.cross(error, route)
            #expect(verdict.action == .passOn)

            // To the pod it comes from the node, if the pod knows the node only.
            let sender = route.isLocal ? router : SocketAddress(address: exchange.seen.address, port: 0)
            expectTranslated(verdict, Packet.error(reason, from: sender, about: sent))
            #expect(try lab.flows(route.family).count == 1)
        }

        /// And what fails on the way to the endpoint, the client must hear, about the packet that it sent.
        @Test("of the way there reach the client", arguments: routes, reasons)
        func reachClient(route: Route, reason: ICMPReason) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            let sent = Packet.first(route.transport, exchange.client, route.frontend).changing(hops: 60)
            let onTheWay = sent.changing(source: exchange.seen, destination: route.backend)
            let error = Packet.error(reason, from: route.backend, about: onTheWay)
            let verdict = try lab.crossBack(error, route)
            #expect(verdict.action == .passOn)
            expectTranslated(verdict, Packet.error(reason, from: route.frontend, about: sent))
        }

        /// Routers may quote eight bytes of what IPv4 carries.
        @Test("that quote the ports only are translated too", arguments: routes)
        func translatesShort(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            let router: SocketAddress = route.family == .v4 ? "198.51.100.254:0" : "[2001:db8:1::fe]:0"
            let length = (route.family == .v4 ? 20 : 40) + 8
            let sent = Packet.first(route.transport, route.backend, exchange.seen)
            let onTheWay = sent.changing(source: route.frontend, destination: exchange.client)
            let verdict = try lab.cross(
                .error(.timeExceeded, from: router, about: onTheWay, quoting: length), route)
            let sender = route.isLocal ? router : SocketAddress(address: exchange.seen.address, port: 0)
            let expected = Packet.error(.timeExceeded, from: sender, about: sent, quoting: length)
            expectTranslated(verdict, expected)
        }

        /// An IPv6 sender makes fragments, and a router's word about the first must find it.
        @Test("about fragments reach the endpoint", arguments: routes.filter { $0.transport == .udp })
        func reachFragmenter(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            let router: SocketAddress = route.family == .v4 ? "198.51.100.254:0" : "[2001:db8:1::fe]:0"
            let sent = Packet.udp(route.backend, exchange.seen, payload: [UInt8](repeating: 9, count: 2_000))
            let onTheWay = sent.changing(source: route.frontend, destination: exchange.client)
            let (first, translated) = (sent.fragments(of: 512)[0], onTheWay.fragments(of: 512)[0])
            let verdict = try lab.cross(.error(.tooBig(mtu: 1_280), from: router, about: translated), route)
            let sender = route.isLocal ? router : SocketAddress(address: exchange.seen.address, port: 0)
            let expected = Packet.error(.tooBig(mtu: 1_280), from: sender, about: first)
            expectEqual(verdict.bytes, expected)
        }

        /// What stands between the quoted header and its load belongs to whoever sent it.
        @Test(
            "about packets with extension headers reach the endpoint",
            arguments: routes.filter { $0.family == .v6 && $0.transport != .sctp })
        func reachPastExtensions(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            let router: SocketAddress = "[2001:db8:1::fe]:0"
            var sent = Packet.first(route.transport, route.backend, exchange.seen).changing(hops: 60)
            sent.ip.extensions = [
                .padded(ProtocolNumber.hopByHop), .padded(ProtocolNumber.destinationOptions),
                .padded(ProtocolNumber.destinationOptions),
            ]
            let onTheWay = sent.changing(source: route.frontend, destination: exchange.client)
            let verdict = try lab.cross(.error(.tooBig(mtu: 1_280), from: router, about: onTheWay), route)
            let sender = route.isLocal ? router : SocketAddress(address: exchange.seen.address, port: 0)
            let expected = Packet.error(.tooBig(mtu: 1_280), from: sender, about: sent)
            expectTranslated(verdict, expected)
        }

        @Test("about packets of nobody's flow stay as they are", arguments: Family.allCases, Transport.allCases)
        func leavesOthers(family: Family, transport: Transport) throws {
            let lab = try TranslationLab.current
            try lab.serve([TestService(transport: transport)])
            let frontend = TestService().frontend(.nodePort, family)
            for packet in [
                Packet.first(transport, frontend, family.outside()),
                .first(transport, family.stranger, family.outside()),
                .first(transport, family.outside(), frontend),
            ] {
                let error = Packet.error(.hostUnreachable, from: family.stranger, about: packet)
                for hook in Hook.framed {
                    let verdict = try lab.run(error, hook)
                    #expect(verdict.action == .passOn)
                    expectUntouched(verdict.bytes, error.bytes, "\(hook)")
                }
            }
        }

        /// What stands where an error would have its quotation is data in a later fragment, and in an echo.
        @Test("are not seen in data that looks like one", arguments: Family.allCases)
        func leavesData(family: Family) throws {
            let lab = try TranslationLab.current
            let route = Route(door: .nodePort, transport: .udp, family: family, isLocal: false)
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            let sent = Packet.udp(route.frontend, exchange.client)
            var lookalike = Packet.error(.hostUnreachable, from: family.stranger, about: sent)
            let bytes = lookalike.content.bytes(lookalike.ip)
            lookalike.content = .bytes(ofProtocol: family.icmpNumber, bytes)
            lookalike.ip.fragment = IPHeader.Fragment(offset: 1_480, more: false)
            let verdict = try lab.run(lookalike, .wireIn)
            expectUntouched(verdict.bytes, lookalike.bytes)
        }

        /// The checksum that SCTP quotes needs all of the packet; nobody looks at it.
        private func expectTranslated(
            _ verdict: Verdict, _ expected: Packet, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            guard var packet = try? verdict.packet, case .icmp(var message) = packet.content,
                case .icmp(let wanted) = expected.content
            else {
                expectEqual(verdict.bytes, expected, sourceLocation: sourceLocation)
                return
            }
            let start = (expected.family == .v4 ? 20 : 40) + 8
            if message.quoted(expected.family)?.content.protocolNumber(expected.family) == ProtocolNumber.sctp,
                message.body.count >= start + 4, message.body.count == wanted.body.count
            {
                message.body.replaceSubrange(start..<start + 4, with: wanted.body[start..<start + 4])
                packet.content = .icmp(message)
            }
            expectEqual(packet, expected, sourceLocation: sourceLocation)
        }
    }
}
