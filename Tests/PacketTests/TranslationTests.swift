import CDatapath
import NetworkLab
import TestKit
import Testing

@Suite("Translation at tc", .tags(.kernel), .serialized, .enabled(if: Kernel.canLoadPrograms, Kernel.reason))
struct TranslationTests {
    static let families = Family.allCases
    static let transports = Transport.allCases

    @Test(
        "a request goes to another node from an address of ours, and its reply comes from the VIP",
        arguments: families, transports)
    func remote(family: Family, transport: Transport) throws {
        let node = try PacketNode.make()
        try node.add(TestService(vip: family.frontend, backend: family.remotePod, proto: transport.proto))
        let request = Packet.first(transport, family.caller, family.frontend)
        let own = SocketAddress(address: family.node.address, port: family.caller.port)

        let there = try node.run("wire_in", on: request)
        #expect(there.action == .redirected)
        let translated = request.changing(source: own, destination: family.remotePod, hops: 63)
        expectEqual(there.bytes, translated)

        let back = try node.run("wire_in", on: translated.reply())
        #expect(back.action == .redirected)
        expectEqual(back.bytes, translated.reply().changing(source: family.frontend, destination: family.caller, hops: 63))
        #expect(try node.count(of: COUNT_FLOW_BEGUN) == 1)
    }

    @Test(
        "a request for a local pod keeps the client's address, and its reply is translated when it leaves",
        arguments: families, transports)
    func throughTheStack(family: Family, transport: Transport) throws {
        let node = try PacketNode.make()
        try node.add(TestService(vip: family.frontend, backend: family.localPod, proto: transport.proto))
        let request = Packet.first(transport, family.caller, family.frontend)

        let there = try node.run("wire_in", on: request)
        #expect(there.action == .passed)
        let translated = request.changing(destination: family.localPod)
        expectEqual(there.bytes, translated)

        let reply = translated.reply()
        let arriving = try node.run("pod_in", on: reply)
        #expect(arriving.action == .passed)
        expectUntouched(arriving.bytes, reply.bytes)
        let leaving = try node.run("wire_out", on: reply)
        #expect(leaving.action == .passed)
        expectEqual(leaving.bytes, reply.changing(source: family.frontend))
    }

    @Test("what is not ours goes as it came", arguments: families, transports)
    func notOurs(family: Family, transport: Transport) throws {
        let node = try PacketNode.make()
        let packets = [
            Packet.first(transport, family.caller, family.frontend), Packet.first(transport, family.caller, family.localPod),
            Packet.echo(family.caller, family.frontend),
        ]
        for packet in packets {
            for program in ["wire_in", "wire_out", "pod_in", "pod_out"] {
                for packet in [packet, packet.withoutEthernet] {
                    let verdict = try node.run(program, on: packet)
                    #expect(verdict.action == .passed)
                    expectUntouched(verdict.bytes, packet.bytes)
                }
            }
        }
    }
}
