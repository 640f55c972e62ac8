import BPFLoader
import CDatapath
import NetworkLab
import ServiceMaps
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    /// `swiftlet monitor` hears of flows and refusals, and of no packet in between.
    @Suite("A listener")
    struct EventTests {
        private func listen(_ lab: TranslationLab) throws -> EventListener {
            try EventListener { map throws(BPFError) in try lab.map(map.rawValue) }
        }

        private func endpoint(_ address: SocketAddress) -> DatapathEvent.Endpoint {
            DatapathEvent.Endpoint(address: address.ip, port: address.port)
        }

        @Test("is told of a flow once, when it begins", arguments: Family.allCases, Transport.allCases)
        func begins(family: Family, transport: Transport) throws {
            let lab = try TranslationLab.current
            let service = TestService(transport: transport)
            try lab.serve([service])
            let frontend = service.frontend(.nodePort, family)
            let request = Packet.first(transport, family.outside(), frontend)
            _ = try lab.run(request, .wireIn)
            try lab.serve([service])

            var listener = try listen(lab)
            #expect(try listener.take().events.isEmpty, "nobody listened")
            for _ in 0..<3 { #expect(try lab.run(request, .wireIn).action == .passOn) }
            let events = try listener.take().events
            let event = try #require(events.first)
            #expect(events.count == 1)
            #expect(event.kind == .flow && event.reason == "flow_begun" && !event.isRefusal)
            #expect(event.proto == transport.proto && event.service != nil && event.backendID != nil)
            #expect(event.client == endpoint(family.outside()) && event.vip == endpoint(frontend))
            #expect(event.backend == endpoint(service.endpoint(family)))
            #expect(event.device == lab.index(of: .eth0) && event.caller == nil)
        }

        @Test("is told of a refusal with its Service, where a port of one was asked", arguments: Family.allCases)
        func refuses(family: Family) throws {
            let lab = try TranslationLab.current
            let empty = TestService(local: [])
            let gated = TestService(name: "gated", number: 16, nodePort: 30_081) {
                $0.loadBalancerSourceRanges = ["198.51.100.3/32", "2001:db8:1::3/128"]
            }
            let local = TestService(name: "local", number: 17, nodePort: 30_082, local: [], remote: [11]) {
                $0.externalPolicy = .local
            }
            try lab.serve([empty, gated, local])
            let unknown = SocketAddress(address: gated.frontend(.clusterIP, family).address, port: 81)
            let nobody = SocketAddress(address: TestService(number: 99).frontend(.clusterIP, family).address, port: 80)
            let asked: [(SocketAddress, String, Bool)] = [
                (empty.frontend(.nodePort, family), "refuse_no_backend", true),
                (gated.frontend(.loadBalancer, family), "refuse_source", true),
                (local.frontend(.nodePort, family), "refuse_no_local_backend", true),
                (unknown, "refuse_unknown_port", false), (nobody, "refuse_unallocated", false),
            ]
            var listener = try listen(lab)
            for (frontend, reason, isKnown) in asked {
                _ = try lab.run(.tcp(family.outside(), frontend), .wireIn)
                let event = try #require(try listener.take().events.first, "\(reason)")
                #expect(event.kind == .flow && event.isRefusal && event.reason == reason)
                #expect((event.service != nil) == isKnown, "\(reason)")
                #expect(event.client == endpoint(family.outside()) && event.vip == endpoint(frontend))
                #expect(event.backend == nil && event.backendID == nil)
            }
        }

        /// The packet itself is the endpoint's, to a port of the node.
        @Test("is told what the client asked when a packet of a flow is refused", arguments: Family.allCases)
        func expires(family: Family) throws {
            let lab = try TranslationLab { $0.redirect = 1 }
            let service = TestService(local: [], remote: [11])
            try lab.serve([service])
            let frontend = service.frontend(.nodePort, family)
            let sent = try lab.run(.tcp(family.outside(), frontend), .wireIn)
            #expect(sent.action == .redirect)
            var answer = Packet.tcp(service.endpoint(family), try sent.packet.source, [.syn, .ack])
            answer.ip.hops = 1
            var listener = try listen(lab)
            _ = try lab.run(answer, .wireIn)
            let event = try #require(try listener.take().events.first)
            #expect(event.kind == .flow && event.isRefusal && event.reason == "answer_expired")
            #expect(event.client == endpoint(family.outside()) && event.vip == endpoint(frontend))
            #expect(event.backend == endpoint(service.endpoint(family)) && event.service != nil)
        }
    }
}
