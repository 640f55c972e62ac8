import NetworkLab
import TestKit
import Testing

extension TranslationTests {
    /// Packets that nobody would send, made from good ones: requests, answers, errors and fragments of flows that are
    /// there. The verdict is one of four, what is nobody's stays as it is, and of what is translated only the fields
    /// that translation is about change.
    @Suite("Mutated packets")
    struct MutationTests {
        private static let services = [
            TestService(), TestService(name: "far", number: 16, nodePort: 30_081, local: [], remote: [11, 12]),
            TestService(name: "dns", number: 17, transport: .udp, port: 53, nodePort: 30_053, remote: [12]),
            TestService(name: "sctp", number: 18, transport: .sctp, nodePort: 30_082),
            TestService(name: "empty", number: 19, nodePort: 30_083, local: []),
        ]

        /// The kernel runs every packet with a whole header, of either family; what is shorter it may refuse to run.
        private static let wholeHeader = 14 + 40

        /// Serves the Services, begins a flow of an outside client and one of a pod through each of their doors, and
        /// gives the packets of both ways, with errors about them, and fragments.
        private func packets(_ lab: TranslationLab) throws -> [[Packet]] {
            try lab.serve(Self.services)
            return try Family.allCases.map { family in
                var packets: [Packet] = [
                    .tcp(family.outside(), family.stranger), .udp(family.stranger, family.outside()),
                ]
                for service in Self.services {
                    for frontend in TestService.Door.allCases.map({ service.frontend($0, family) }) {
                        for (client, hook) in [(family.outside(), Hook.wireIn), (family.pod(77), .podIn)] {
                            packets += try exchange(.first(service.transport, client, frontend), hook, lab)
                        }
                    }
                }
                return packets
            }
        }

        /// A request, and what its endpoint answers, once it has been translated.
        private func exchange(_ request: Packet, _ hook: Hook, _ lab: TranslationLab) throws -> [Packet] {
            let seen = try lab.run(request, hook).packet
            // A refusal goes back to the client.
            guard seen.destination != request.source else { return [request] }
            let answer = seen.reply(payload: [1, 2, 3])
            let error = Packet.error(.hostUnreachable, from: seen.destination, about: seen)
            return [request, answer, error] + request.fragments(of: 8) + answer.fragments(of: 16)
        }

        /// The same packet with the length that it has, so that it gets far.
        private static func fitted(_ packet: [UInt8]) -> [UInt8] {
            var fitted = packet
            let length = packet.count - 14
            guard length >= 40 else { return packet }
            switch (packet[12], packet[13]) {
            case (0x08, 0x00): fitted.store(UInt16(length), at: 16)
            case (0x86, 0xdd): fitted.store(UInt16(length - 40), at: 18)
            default: break
            }
            return fitted
        }

        @Test("only what is to change changes", arguments: Hook.framed, [1, 2] as [UInt64])
        func mutations(hook: Hook, seed: UInt64) throws {
            let lab = try TranslationLab.current
            var mutators = try packets(lab).map { packets in
                Mutator(packets.map(\.bytes), words: ["\0\0\0\0", "\u{7F}"], seed: seed)
            }
            let run = try FuzzRun("packets-\(hook.rawValue)", seed: seed)
            var (ran, changed) = (0, 0)
            try lab.inside { runner in
                for number in 0..<FuzzRun.count * 2 {
                    // Longer than the device takes, and no longer than every kernel's test run does.
                    let mutated = Array(mutators[number % 2].next().prefix(3_000))
                    let packet = number % 4 < 2 ? mutated : Self.fitted(mutated)
                    try run.note(packet)
                    guard let verdict = try Self.verdict(runner, packet, hook) else { continue }
                    ran += 1
                    if verdict.bytes != packet { changed += 1 }
                }
            }
            #expect(ran > FuzzRun.count, "\(ran)")
            #expect(changed > ran / 250, "\(changed) of \(ran): what is left as it is shows nothing")
        }

        @Test("a packet that is cut anywhere is translated or left, not read past its end", arguments: Hook.framed)
        func truncations(hook: Hook) throws {
            let lab = try TranslationLab.current
            let packets = try packets(lab).joined().map(\.bytes)
            var (ran, changed) = (0, 0)
            try lab.inside { runner in
                for whole in packets {
                    for length in 14...whole.count {
                        guard let verdict = try Self.verdict(runner, Array(whole.prefix(length)), hook) else {
                            continue
                        }
                        ran += 1
                        if verdict.bytes.count != length || !whole.starts(with: verdict.bytes) { changed += 1 }
                    }
                }
            }
            let withHeader = packets.map { max(0, $0.count - Self.wholeHeader + 1) }.reduce(0, +)
            #expect(ran >= withHeader, "\(ran) of \(withHeader)")
            #expect(changed > packets.count / 4, "\(changed) of \(packets.count) packets: who is translated whole?")
        }

        /// What the program did, which is nothing wrong; nil if the kernel does not run what is so short.
        private static func verdict(
            _ runner: borrowing TranslationLab.Runner, _ packet: [UInt8], _ hook: Hook
        ) throws -> Verdict? {
            let verdict: Verdict
            do {
                verdict = try runner.run(packet, hook)
            } catch  where packet.count < wholeHeader {
                return nil
            }
            let mistake = PacketChange(packet, verdict).mistake(services)
            try #require(mistake == nil, "\(hook) \(hex(packet)): \(hex(verdict.bytes))")
            return verdict
        }
    }
}
