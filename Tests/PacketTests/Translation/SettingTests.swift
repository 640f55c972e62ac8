import CDatapath
import NetworkLab
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    /// What the programs are told at load; each test has a lab of its own.
    @Suite("Settings")
    struct SettingTests {
        @Test("a ClusterIP is nobody's for clients outside, unless it is said")
        func hidesClusterIP() throws {
            let lab = try TranslationLab { $0.external_cluster_ip = 0 }
            let service = TestService()
            try lab.serve([service])
            for family in Family.allCases {
                let clusterIP = service.frontend(.clusterIP, family)
                for port in [clusterIP.port, 81] {
                    let frontend = SocketAddress(address: clusterIP.address, port: port)
                    let request = Packet.tcp(family.outside(), frontend)
                    let verdict = try lab.run(request, .wireIn)
                    #expect(verdict.action == .passOn)
                    expectUntouched(verdict.bytes, request.bytes)
                    #expect(try lab.run(request.changing(source: family.pod(77)), .podIn).bytes != request.bytes)
                }
                // A door that is meant for them is open.
                let request = Packet.tcp(family.outside(), service.frontend(.loadBalancer, family))
                #expect(try lab.run(request, .wireIn).packet.destination == service.endpoint(family))
            }
        }

        /// Spec 36e.
        @Test("all clients look like the node to other nodes' pods, if that is said")
        func masqueradesAll() throws {
            let lab = try TranslationLab { $0.masquerade_all = 1 }
            let service = TestService(local: [], remote: [11])
            try lab.serve([service])
            for family in Family.allCases {
                let request = Packet.tcp(family.pod(77), service.frontend(.clusterIP, family))
                let verdict = try lab.run(request, .podIn)
                let seen = SocketAddress(address: family.node.address, port: request.source.port)
                expectEqual(
                    verdict.bytes, request.changing(source: seen, destination: service.endpoint(family), hops: 63))
            }
        }

        /// Beside kube-proxy's rules: what they translate goes on, by the connection tracking of the stack.
        @Test("a connection that began before us is left to the stack, if that is said", arguments: [true, false])
        func leavesOpenConnections(isSaid: Bool) throws {
            let lab = try TranslationLab { $0.tcp_begins_with_syn = isSaid ? 1 : 0 }
            let service = TestService()
            try lab.serve([service])
            for family in Family.allCases {
                let frontend = service.frontend(.nodePort, family)
                for flags in [[.ack], [.ack, .fin], [.syn, .ack]] as [TCPSegment.Flags] {
                    let packet = Packet.tcp(family.outside(), frontend, flags)
                    #expect((try lab.run(packet, .wireIn).bytes == packet.bytes) == isSaid, "\(flags)")
                }
                let request = Packet.tcp(family.outside(3), frontend)
                #expect(try lab.run(request, .wireIn).packet.destination == service.endpoint(family))
                // Of a connection that began with us, every packet is ours.
                let next = Packet.tcp(family.outside(3), frontend, [.ack])
                #expect(try lab.run(next, .wireIn).packet.destination == service.endpoint(family))
            }
        }

        /// A pod whose device has our programs sees the node, as kube-proxy does it; answers are met where they arrive.
        @Test("pods behind our programs see the node", arguments: Transport.allCases)
        func masqueradesLocalPods(transport: Transport) throws {
            let lab = try TranslationLab()
            try lab.enterPodDevice()
            let service = TestService(transport: transport)
            try lab.serve([service])
            for family in Family.allCases {
                let frontend = service.frontend(.nodePort, family)
                let request = Packet.first(transport, family.outside(), frontend)
                let seen = SocketAddress(address: family.podGateway.address, port: request.source.port)
                let verdict = try lab.run(request, .wireIn)
                #expect(verdict.action == .redirect)
                let translated = request.changing(source: seen, destination: service.endpoint(family), hops: 63)
                expectEqual(verdict.bytes, translated)
                let answer = translated.reply(payload: [1])
                let back = try lab.run(answer, .podIn)
                #expect(back.action == .redirect)
                expectEqual(back.bytes, answer.changing(source: frontend, destination: family.outside(), hops: 63))
            }
        }
    }
}
