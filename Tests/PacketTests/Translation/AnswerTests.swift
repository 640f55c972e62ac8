import CDatapath
import NetworkLab
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    @Suite("ICMP errors of our own")
    struct AnswerTests {
        private static let refusing = TestService(transport: .udp, local: [])

        /// A sender's kernel finds the socket by the ports, which stand behind all options and extension headers.
        @Test("quote as much as fits", arguments: Family.allCases, [0, 1, 2, 3, 400, 546, 547, 1_180, 1_230, 1_400])
        func quotes(family: Family, length: Int) throws {
            let lab = try TranslationLab.current
            try lab.serve([Self.refusing])
            let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            var request = Packet.udp(family.outside(), Self.refusing.frontend(.nodePort, family), payload: payload)
            for isDecorated in [false, true] {
                if isDecorated, family == .v4 { request.ip.options = [UInt8](repeating: 1, count: 40) }
                if isDecorated, family == .v6 {
                    request.ip.extensions = [
                        .padded(ProtocolNumber.hopByHop), .padded(ProtocolNumber.destinationOptions, length: 16),
                    ]
                }
                let verdict = try lab.run(request, .wireIn)
                #expect(verdict.action == .redirect)
                expectEqual(verdict.bytes, try #require(refusal(of: request)))
            }
        }

        /// Padding of short frames is none of the packet.
        @Test("quote no padding, and work in frames with tags", arguments: Family.allCases)
        func quotesInTags(family: Family) throws {
            let lab = try TranslationLab.current
            try lab.serve([Self.refusing])
            let frontend = Self.refusing.frontend(.nodePort, family)
            var request = Packet.udp(family.outside(), frontend, payload: [UInt8](repeating: 5, count: 900))
            request.ethernet = .tagged(20, 10)
            expectEqual(try lab.run(request, .wireIn).bytes, try #require(refusal(of: request)))
            var padded = Packet.udp(family.outside(), frontend)
            padded.trailer = [UInt8](repeating: 0, count: 18)
            expectEqual(try lab.run(padded, .wireIn).bytes, try #require(refusal(of: padded)))
        }

        /// Six at once, then one a second, for each client (RFC 4443 2.4(f)); a RST has no limit, as with the kernel.
        @Test("are limited for each client", arguments: Family.allCases)
        func limits(family: Family) throws {
            let lab = try TranslationLab.current
            let web = TestService(name: "web", number: 16, nodePort: 30_081, local: [])
            try lab.serve([Self.refusing, web])
            let (first, second) = (family.outside(2), family.outside(3))
            func answers(_ client: SocketAddress, _ transport: Transport, _ count: Int) throws -> Int {
                let frontend = (transport == .udp ? Self.refusing : web).frontend(.loadBalancer, family)
                return try (0..<count).filter { _ in
                    try lab.run(.first(transport, client, frontend), .wireIn).action == .redirect
                }.count
            }
            let before = try lab.count(of: COUNT_ANSWER_LIMITED)
            // A second may pass while this runs on a busy machine, and more.
            let got = try answers(first, .udp, 100)
            #expect((6..<20).contains(got))
            #expect(try lab.count(of: COUNT_ANSWER_LIMITED) - before == UInt64(100 - got))
            #expect(try answers(second, .udp, 1) == 1)
            #expect(try answers(first, .tcp, 50) == 50)
            try lab.age(answersTo: first)
            #expect(try (1...2).contains(answers(first, .udp, 2)))
        }

        /// RFC 1122 3.2.2: whoever has no address of his own gets no answer, and has no flow either.
        @Test("are not sent to groups and to nobody", arguments: Family.allCases)
        func spares(family: Family) throws {
            let lab = try TranslationLab.current
            let served = TestService(name: "dns", number: 53, transport: .udp, nodePort: 30_053)
            try lab.serve([Self.refusing, TestService(name: "web", number: 16, nodePort: 30_081, local: []), served])
            let nobodies =
                family == .v4
                ? ["0.0.0.0:40000", "127.0.0.1:40000", "224.0.0.1:40000", "255.255.255.255:40000"]
                : ["[::]:40000", "[::1]:40000", "[ff02::1]:40000"]
            for source in nobodies.map(\.address) {
                let packets = [
                    Packet.udp(source, Self.refusing.frontend(.clusterIP, family)),
                    .tcp(source, TestService(number: 16).frontend(.clusterIP, family)),
                    .udp(source, served.frontend(.nodePort, family)),
                ]
                for packet in packets {
                    let verdict = try lab.run(packet, .wireIn)
                    #expect(verdict.action != .redirect, "\(source)")
                    expectUntouched(verdict.bytes, packet.bytes)
                }
            }
            #expect(try lab.flows(family).isEmpty)
        }

        /// The kernel's router tells a client of a better way to the endpoint, which is not what the client asks.
        @Test("of the kind that redirects do not reach a client that knows no endpoint", arguments: Family.allCases)
        func dropsRedirects(family: Family) throws {
            let lab = try TranslationLab.current
            let route = Route(door: .nodePort, transport: .udp, family: family, isLocal: false)
            try lab.serve([route.service])
            let request = Packet.udp(family.outside(), route.frontend)
            let arrived = try lab.run(request, .wireIn).packet
            let node = SocketAddress(address: family.node.address, port: 0)
            let bystander = arrived.changing(source: family.outside(3))
            for hasLinkAddress in [false, true] {
                let verdict = try lab.run(
                    .redirect(from: node, about: arrived, hasLinkAddress: hasLinkAddress), .wireOut)
                #expect(verdict.action == .drop)
                let other = Packet.redirect(from: node, about: bystander, hasLinkAddress: hasLinkAddress)
                let passed = try lab.run(other, .wireOut)
                #expect(passed.action == .passOn)
                expectUntouched(passed.bytes, other.bytes)
            }
        }
    }
}

extension Packet {
    /// A router's word to the sender of a packet that there is a better way (RFC 792, RFC 4861 4.5).
    fileprivate static func redirect(
        from sender: SocketAddress, about packet: Packet, hasLinkAddress: Bool
    ) -> Packet {
        var redirect = Packet.error(.timeExceeded, from: sender, about: packet)
        var inner = packet
        (inner.ethernet, inner.trailer) = (nil, [])
        var quoted = inner.bytes
        if packet.family == .v4 {
            redirect.content = .icmp(ICMPMessage(type: 5, code: 1, rest: 0xc000_0202, body: quoted))
            return redirect
        }
        while quoted.count % 8 != 0 { quoted.append(0) }
        var body = packet.ip.destination + packet.ip.destination
        if hasLinkAddress { body += [2, 1, 2, 0, 0, 0, 0, 9] }
        body += [4, UInt8(1 + quoted.count / 8), 0, 0, 0, 0, 0, 0] + quoted
        redirect.content = .icmp(ICMPMessage(type: 137, code: 0, body: body))
        return redirect
    }
}
