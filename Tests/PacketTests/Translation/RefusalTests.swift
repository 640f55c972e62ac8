import CDatapath
import NetworkLab
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    @Suite("A client that gets no endpoint")
    struct RefusalTests {
        /// Spec 27, 29.
        @Test(
            "is refused at once where there is none anywhere", arguments: TestService.Door.allCases, Family.allCases)
        func refuses(door: TestService.Door, family: Family) throws {
            let lab = try TranslationLab.current
            let services = [
                TestService(local: []), TestService(name: "dns", transport: .udp, local: []),
                TestService(name: "sctp", transport: .sctp, local: []),
            ]
            try lab.serve(services)
            let frontend = services[0].frontend(door, family)
            for transport in Transport.allCases {
                try expectRefused(Packet.first(transport, family.outside(), frontend), lab)
            }
            #expect(try lab.flows(family).isEmpty)
        }

        /// Spec 28.
        @Test("is refused at a port that the ClusterIP does not serve", arguments: Family.allCases)
        func refusesPort(family: Family) throws {
            let lab = try TranslationLab.current
            try lab.serve([TestService()])
            var frontend = TestService().frontend(.clusterIP, family)
            frontend = SocketAddress(address: frontend.address, port: 81)
            try expectRefused(.tcp(family.outside(), frontend), lab)
            try expectRefused(.udp(family.outside(), frontend), lab)
        }

        @Test("is refused with frames that are tagged, and with IP options", arguments: Family.allCases)
        func refusesDecorated(family: Family) throws {
            let lab = try TranslationLab.current
            try lab.serve([TestService(local: [])])
            var request = Packet.tcp(family.outside(), TestService().frontend(.nodePort, family))
            if family == .v4 { request.ip.options = [1, 1, 1, 0] }
            if family == .v6 { request.ip.extensions = [.padded(ProtocolNumber.destinationOptions)] }
            try expectRefused(request, lab)
        }

        /// Spec 51: it is of a connection that is older than the frontend.
        @Test("is left alone in the middle of a connection", arguments: Family.allCases)
        func leavesOpen(family: Family) throws {
            let lab = try TranslationLab.current
            try lab.serve([TestService(local: [])])
            let packet = Packet.tcp(
                family.outside(), TestService().frontend(.nodePort, family), [.push, .ack], payload: [1, 2, 3])
            let verdict = try lab.run(packet, .wireIn)
            #expect(verdict.action == .passOn)
            expectUntouched(verdict.bytes, packet.bytes)
        }

        @Test("never gets a reset for a reset", arguments: Family.allCases)
        func ignoresReset(family: Family) throws {
            let lab = try TranslationLab.current
            try lab.serve([TestService(local: [])])
            let request = Packet.tcp(family.outside(), TestService().frontend(.nodePort, family), .reset)
            let verdict = try lab.run(request, .wireIn)
            #expect(verdict.action != .redirect)
        }

        /// Spec 29: a UDP socket that was connected to a VIP sends to it, and hears that there is no endpoint.
        @Test("is refused where it leaves the node untranslated", arguments: Family.allCases)
        func refusesDeparting(family: Family) throws {
            let lab = try TranslationLab.current
            let (silent, web) = (TestService(transport: .udp, local: []), TestService(name: "web", number: 16))
            try lab.serve([silent, web])
            let node = SocketAddress(address: family.node.address, port: 40_000)
            let question = Packet.udp(node, silent.frontend(.clusterIP, family))
            let verdict = try lab.run(question, .wireOut)
            #expect(verdict.action == .redirect)
            expectEqual(verdict.bytes, try #require(refusal(of: question)))

            // No connection of ours, in its middle: there is nothing to translate it by.
            let before = try lab.count(of: COUNT_REFUSE_UNTRANSLATED)
            let stray = Packet.tcp(node, web.frontend(.clusterIP, family), [.push, .ack], payload: [1])
            let reset = try lab.run(stray, .wireOut)
            #expect(reset.action == .redirect)
            guard case .tcp(let segment) = try reset.packet.content else {
                Issue.record("\(try reset.packet)")
                return
            }
            #expect(segment.flags == .reset && segment.checksumError == 0)
            #expect(try reset.packet.destination == node)
            #expect(try lab.count(of: COUNT_REFUSE_UNTRANSLATED) == before + 1)
        }

        /// Spec 28: from a device towards the network there is no way to a pod of this node and back.
        @Test("is refused where it leaves for an endpoint of this node", arguments: Family.allCases)
        func refusesTurning(family: Family) throws {
            let lab = try TranslationLab.current
            let (dns, web) = (TestService(transport: .udp), TestService(name: "web", number: 16))
            try lab.serve([dns, web])
            let node = SocketAddress(address: family.node.address, port: 40_000)
            let question = Packet.udp(node, dns.frontend(.clusterIP, family))
            let verdict = try lab.run(question, .wireOut)
            #expect(verdict.action == .redirect)
            expectEqual(verdict.bytes, try #require(refusal(of: question)))
            let reset = try lab.run(.tcp(node, web.frontend(.clusterIP, family)), .wireOut)
            #expect(reset.action == .redirect)
            #expect(try reset.packet.destination == node)
            #expect(try lab.flows(family).isEmpty)
        }

        /// Spec 17: silence, but only for those outside.
        @Test(
            "is dropped where a Local policy finds endpoints elsewhere only",
            arguments: [.nodePort, .loadBalancer, .externalIP] as [TestService.Door], Family.allCases)
        func drops(door: TestService.Door, family: Family) throws {
            let lab = try TranslationLab.current
            let service = TestService(local: [], remote: [11]) { $0.externalPolicy = .local }
            try lab.serve([service])
            let frontend = service.frontend(door, family)
            #expect(try lab.run(.tcp(family.outside(), frontend), .wireIn).action == .drop)
            // Spec 18: a pod gets the cluster's endpoints.
            let request = Packet.tcp(family.pod(77), frontend)
            let verdict = try lab.run(request, .podIn)
            #expect(verdict.action == .passOn)
            expectEqual(verdict.bytes, request.changing(destination: service.endpoint(family)))
        }

        /// Spec 24.
        @Test("is dropped outside the source ranges, at the load balancer's address only", arguments: Family.allCases)
        func checksRanges(family: Family) throws {
            let lab = try TranslationLab.current
            let service = TestService { $0.loadBalancerSourceRanges = ["198.51.100.3/32", "2001:db8:1::3/128"] }
            try lab.serve([service])
            for (door, number, action) in [
                (.loadBalancer, 2, .drop), (.loadBalancer, 3, .passOn), (.nodePort, 2, .passOn),
                (.externalIP, 2, .passOn), (.clusterIP, 2, .passOn),
            ] as [(TestService.Door, Int, Action)] {
                let request = Packet.tcp(family.outside(number), service.frontend(door, family))
                #expect(try lab.run(request, .wireIn).action == action, "\(door) from \(number)")
            }
        }

        /// Spec 28: an address of the range that no Service has.
        @Test("is dropped at a ClusterIP that nobody has", arguments: Family.allCases, Transport.allCases)
        func dropsUnallocated(family: Family, transport: Transport) throws {
            let lab = try TranslationLab.current
            try lab.serve([TestService()])
            let nobody = TestService(number: 77).frontend(.clusterIP, family)
            #expect(try lab.run(Packet.first(transport, family.outside(), nobody), .wireIn).action == .drop)
            #expect(try lab.run(Packet.first(transport, family.pod(77), nobody), .podIn).action == .drop)
        }

        private func expectRefused(
            _ request: Packet, _ lab: TranslationLab, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let verdict = try lab.run(request, .wireIn)
            #expect(verdict.action == .redirect, sourceLocation: sourceLocation)
            let expected = try #require(refusal(of: request))
            expectEqual(verdict.bytes, expected, sourceLocation: sourceLocation)
        }
    }
}

/// How many bytes of a packet an ICMP error quotes: RFC 1812 4.3.2.3 (576 with its own headers), RFC 4443 2.4(c) (1280).
func longestQuotation(_ family: Family) -> Int { family == .v4 ? 548 : 1_232 }

/// What a client must get that is refused: a reset for a SYN, port unreachable for the rest.
func refusal(of request: Packet) -> Packet? {
    var answer: Packet
    switch request.content {
    case .tcp(let segment):
        answer = .tcp(request.destination, request.source, [.reset, .ack])
        guard case .tcp(var reset) = answer.content else { return nil }
        (reset.sequence, reset.acknowledgement, reset.window) = (0, segment.sequence + 1, 0)
        (reset.options, reset.payload) = ([], [])
        answer.content = .tcp(reset)
    default:
        let sender = SocketAddress(address: request.ip.destination, port: 0)
        answer = .error(.portUnreachable, from: sender, about: request, quoting: longestQuotation(request.family))
    }
    answer.ip.dontFragment = request.family == .v4
    answer.ethernet = request.ethernet.map { frame in
        var back = frame
        (back.source, back.destination) = (frame.destination, frame.source)
        return back
    }
    return answer
}
