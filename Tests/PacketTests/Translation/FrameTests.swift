import CDatapath
import NetworkLab
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    @Suite("What is around a packet")
    struct FrameTests {
        private static let routes = Route.all.filter { $0.door == .loadBalancer }

        @Test("IP options, extension headers and padding stay", arguments: routes)
        func keepsDecoration(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            for request in decorated(Packet.first(route.transport, route.family.outside(), route.frontend)) {
                let verdict = try lab.cross(request, route)
                let seen = try verdict.packet.source
                expectEqual(verdict.bytes, request.changing(source: seen, destination: route.backend))
            }
        }

        private func decorated(_ plain: Packet) -> [Packet] {
            var packets = [plain, plain, plain, plain]
            packets[0].trailer = [UInt8](repeating: 0, count: 18)
            packets[1].ip.trafficClass = 0xb9
            switch plain.family {
            case .v4:
                packets[2].ip.options = [1, 1, 1, 0]
                packets[3].ip.options = [UInt8](repeating: 1, count: 39) + [0]
                packets[3].ip.dontFragment = true
            case .v6:
                packets[2].ip.extensions = [.padded(ProtocolNumber.hopByHop)]
                packets[3].ip.extensions = [
                    .padded(ProtocolNumber.hopByHop, length: 16), .padded(ProtocolNumber.destinationOptions),
                    .spentRouting,
                ]
            }
            return packets
        }

        /// Without a checksum there is none afterwards; a wrong one is as wrong as before, for the receiver to see.
        @Test("a checksum is neither made nor made right", arguments: routes.filter { $0.transport == .udp })
        func keepsChecksumState(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let plain = Packet.udp(route.family.outside(), route.frontend)
            guard case .udp(var datagram) = plain.content else { return }
            var (without, wrong) = (plain, plain)
            datagram.hasChecksum = false
            without.content = .udp(datagram)
            (datagram.hasChecksum, datagram.checksumError) = (true, 0x0b0b)
            wrong.content = .udp(datagram)
            for request in [without, wrong] {
                let verdict = try lab.cross(request, route)
                let seen = try verdict.packet.source
                expectEqual(verdict.bytes, request.changing(source: seen, destination: route.backend))
            }
        }

        @Test("tagged packets are translated", arguments: routes, [1, 2])
        func readsTags(route: Route, tags: Int) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            var request = Packet.first(route.transport, route.family.outside(), route.frontend)
            request.ethernet = tags == 1 ? .tagged(10) : .tagged(20, 10)
            let verdict = try lab.run(request, .wireIn)
            let packet = try verdict.packet
            #expect(packet.destination == route.backend)
            expectEqual(packet, request.changing(destination: route.backend))
        }

        @Test("three tags are not looked behind", arguments: Family.allCases)
        func leavesThreeTags(family: Family) throws {
            let lab = try TranslationLab.current
            try lab.serve([TestService()])
            var request = Packet.tcp(family.outside(), TestService().frontend(.nodePort, family))
            request.ethernet = .tagged(1, 2, 3)
            expectUntouched(try lab.run(request, .wireIn).bytes, request.bytes)
        }

        /// A device without Ethernet. A test run takes the frame's type from bytes 12 and 13 all the same, which are
        /// the first of an IPv4 source address and the third pair of an IPv6 one: so this client's address says it.
        @Test("a device without Ethernet is served", arguments: Route.all.filter { $0.isLocal })
        func readsBare(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let client: SocketAddress = route.family == .v4 ? "8.0.7.7:40000" : "[2001:db8:86dd::7]:40000"
            var request = Packet.first(route.transport, client, route.frontend).withoutEthernet
            // As long as a frame with a header must be, for the kernel to run it.
            if route.transport == .udp {
                request = .udp(client, route.frontend, payload: [UInt8](repeating: 7, count: 40)).withoutEthernet
            }
            let verdict = try lab.run(request, .wireInBare)
            #expect(verdict.action == .passOn)
            expectEqual(verdict.bytes, request.changing(destination: route.backend))
        }

        /// The kernel forwards, and tells the client: what it quotes is what the client sent.
        @Test("what the kernel says of a packet without a hop left reaches the client", arguments: Family.allCases)
        func expires(family: Family) throws {
            let lab = try TranslationLab.current
            let route = Route(door: .nodePort, transport: .udp, family: family, isLocal: false)
            try lab.serve([route.service])
            let request = Packet.udp(family.outside(), route.frontend).changing(hops: 1)
            let arrived = try lab.run(request, .wireIn).packet
            let node = SocketAddress(address: family.node.address, port: 0)
            let verdict = try lab.run(Packet.error(.timeExceeded, from: node, about: arrived), .wireOut)
            guard case .icmp(let message) = try verdict.packet.content else {
                Issue.record("\(try verdict.packet)")
                return
            }
            #expect(message.quoted(family)?.ip.destination == route.frontend.address)
            #expect(try verdict.packet.ip.destination == family.outside().address)
        }
    }
}
