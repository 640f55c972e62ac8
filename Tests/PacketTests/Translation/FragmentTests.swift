import CDatapath
import NetworkLab
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    @Suite("Fragments")
    struct FragmentTests {
        private static let routes = Route.all.filter { $0.door == .nodePort && $0.transport == .udp }
        private static let payload = (0..<2_000).map { UInt8(truncatingIfNeeded: $0) }

        /// In order, and all after the first in any order.
        @Test("follow their first one, both ways", arguments: routes, [[0, 1, 2, 3], [0, 3, 1, 2]])
        func follow(route: Route, order: [Int]) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            let request = Packet.udp(exchange.client, route.frontend, payload: Self.payload)
            let there = try translated(request, order) { try lab.cross($0, route) }
            expectEqual(there, request.changing(source: exchange.seen, destination: route.backend).identified)

            let answer = Packet.udp(route.backend, exchange.seen, payload: Self.payload)
            let back = try translated(answer, order) { try lab.crossBack($0, route) }
            expectEqual(back, answer.changing(source: route.frontend, destination: exchange.client).identified)
        }

        private func translated(
            _ packet: Packet, _ order: [Int], by translate: (Packet) throws -> Verdict
        ) throws -> Packet {
            let parts = packet.fragments(of: 512)
            return try Packet(reassembling: try order.map { try translate(parts[$0]).packet })
        }

        @Test("begin flows", arguments: routes)
        func begin(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let request = Packet.udp(route.family.outside(), route.frontend, payload: Self.payload)
            let whole = try translated(request, [0, 1, 2, 3]) { try lab.run($0, .wireIn) }
            #expect(whole.destination == route.backend)
            #expect(try lab.flows(route.family).count == 1)
        }

        /// What a client sends straight to a pod has another port behind the node than before, and the same addresses.
        @Test("of a connection past Services that got another port are told from a flow's", arguments: Family.allCases)
        func renamed(family: Family) throws {
            let lab = try TranslationLab(.noted)
            try lab.enterPodDevice()
            let route = Route(door: .nodePort, transport: .udp, family: family, isLocal: true)
            try lab.serve([route.service])
            let client = family.outside()
            func reach(_ packet: Packet) throws -> Verdict {
                try lab.run(lab.run(packet, .wireIn), .podOut, arrival: .eth0)
            }
            let served = try reach(.udp(client, route.frontend)).packet
            #expect(served.source.address == family.podGateway.address)
            let renamed = try reach(.udp(client, route.backend)).packet.source
            #expect(renamed.address == client.address && renamed.port != client.port)
            for (destination, source) in [(route.backend, renamed), (route.frontend, served.source)] {
                let large = Packet.udp(client, destination, payload: Self.payload)
                let whole = try translated(large, [0, 1, 2, 3], by: reach)
                expectEqual(whole, large.changing(source: source, destination: route.backend).identified)
            }
        }

        /// Their first may come later, by another way, or never: whoever puts them together must see them.
        @Test("that come before their first go as they are, and are counted", arguments: routes)
        func leaveEarly(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let parts = Packet.udp(route.family.outside(), route.frontend, payload: Self.payload).fragments(of: 512)
            let before = try lab.count(of: COUNT_FRAGMENT_UNKNOWN)
            let verdict = try lab.run(parts[1], .wireIn)
            #expect(verdict.action == .passOn)
            expectUntouched(verdict.bytes, parts[1].bytes)
            #expect(try lab.count(of: COUNT_FRAGMENT_UNKNOWN) == before + 1)
        }

        /// Its checksum covers what is in the other fragments.
        @Test(
            "of SCTP are dropped if their port would change",
            arguments: Route.all.filter { $0.door == .nodePort && $0.transport == .sctp }, [true, false])
        func dropSCTP(route: Route, changesPort: Bool) throws {
            let lab = try TranslationLab.current
            var service = route.service
            if !changesPort { service.podPort = service.nodePort }
            try lab.serve([service])
            let request = Packet.first(.sctp, route.family.outside(), service.frontend(.nodePort, route.family))
            let first = request.fragments(of: 8)[0]
            let before = try lab.count(of: COUNT_FRAGMENT_CHECKSUM)
            let verdict = try lab.run(first, .wireIn)
            #expect(try lab.count(of: COUNT_FRAGMENT_CHECKSUM) - before == (changesPort ? 1 : 0))
            #expect((verdict.action == .drop) == changesPort)
            guard !changesPort else { return }
            #expect(try verdict.packet.ip.destination == service.endpoint(route.family).address)
        }

        @Test("of another packet do not follow", arguments: routes)
        func separate(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let request = Packet.udp(route.family.outside(), route.frontend, payload: Self.payload)
            _ = try lab.run(request.fragments(of: 512)[0], .wireIn)
            let other = request.fragments(of: 512, identification: 8)[1]
            expectUntouched(try lab.run(other, .wireIn).bytes, other.bytes)
        }

        @Test("that are whole are packets", arguments: Route.all.filter { $0.family == .v6 && $0.door == .nodePort })
        func acceptWhole(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            var request = Packet.first(route.transport, route.family.outside(), route.frontend)
            request.ip.fragment = IPHeader.Fragment(offset: 0, more: false, identification: 9)
            let verdict = try lab.run(request, .wireIn)
            let seen = try verdict.packet.source
            expectEqual(
                verdict.bytes,
                request.changing(source: seen, destination: route.backend))
        }
    }
}

extension Packet {
    /// As it is when its fragments are together again: IPv4 keeps their number.
    fileprivate var identified: Packet {
        var packet = self
        if family == .v4 { packet.ip.identification = 7 }
        return packet
    }
}
