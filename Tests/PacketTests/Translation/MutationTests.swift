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

        /// What clients and endpoints of these Services send, with errors about it and in fragments.
        private static func packets(_ family: Family) -> [Packet] {
            services.flatMap { service in
                TestService.Door.allCases.flatMap { door -> [Packet] in
                    let (client, frontend) = (family.outside(), service.frontend(door, family))
                    let endpoint = service.endpoint(family)
                    let request = Packet.first(service.transport, client, frontend)
                    let answer = Packet.first(service.transport, endpoint, client)
                    return [request, answer, .error(.hostUnreachable, from: endpoint, about: request)]
                        + request.fragments(of: 8) + answer.fragments(of: 16)
                }
            } + [.tcp(family.outside(), family.stranger), .udp(family.stranger, family.outside())]
        }

        private func lab() throws -> TranslationLab {
            let lab = try TranslationLab.current
            try lab.serve(Self.services)
            return lab
        }

        @Test("only what is to change changes", arguments: Hook.framed, [1, 2] as [UInt64])
        func mutations(hook: Hook, seed: UInt64) throws {
            let lab = try lab()
            var mutators = Family.allCases.map { family in
                Mutator(Self.packets(family).map(\.bytes), words: ["\0\0\0\0", "\u{7F}"], seed: seed)
            }
            let run = try FuzzRun("packets-\(hook.rawValue)", seed: seed)
            var (ran, changed) = (0, 0)
            try lab.inside { runner in
                for number in 0..<FuzzRun.count * 2 {
                    let packet = Array(mutators[number % 2].next().prefix(9_000))
                    try run.note(packet)
                    // The kernel refuses to run what has no whole header.
                    guard let verdict = try? runner.run(packet, hook) else { continue }
                    ran += 1
                    if verdict.bytes != packet { changed += 1 }
                    try #require(Self.mistake(verdict, packet) == nil, "\(hook) \(hex(packet)): \(hex(verdict.bytes))")
                }
            }
            #expect(ran > FuzzRun.count)
            // On their way out nothing but answers and the node's own requests are ours.
            #expect(changed > (hook == .podOut ? 0 : FuzzRun.count / 100), "\(changed) of \(ran)")
        }

        @Test("a packet that is cut anywhere is translated or left, not read past its end", arguments: Hook.framed)
        func truncations(hook: Hook) throws {
            let lab = try lab()
            var ran = 0
            try lab.inside { runner in
                for whole in Family.allCases.flatMap(Self.packets).map(\.bytes) {
                    for length in 14...whole.count {
                        let packet = Array(whole.prefix(length))
                        guard let verdict = try? runner.run(packet, hook) else { continue }
                        ran += 1
                        try #require(
                            Self.mistake(verdict, packet) == nil, "\(hook) \(hex(packet)): \(hex(verdict.bytes))")
                    }
                }
            }
            #expect(ran > 10_000, "\(ran)")
        }

        // MARK: What may happen

        private static func mistake(_ verdict: Verdict, _ packet: [UInt8]) -> String? {
            guard let action = verdict.action else { return "no such verdict" }
            guard action != .drop, verdict.bytes != packet else { return nil }
            guard let header = Header(packet) else { return "what is no IP was changed" }
            guard header.isOurs else { return "what is nobody's was changed" }
            guard let now = Header(verdict.bytes) else { return "what was IP is none" }
            // A refusal, or an error about the packet: it goes back, and is a packet of its own.
            if action == .redirect, now.destination == header.source { return nil }
            guard verdict.bytes.count == packet.count else { return "it has another length" }
            for place in packet.indices where packet[place] != verdict.bytes[place] {
                if !header.mayChange(place) { return "byte \(place) changed" }
            }
            return nil
        }

        /// As much of a header as is needed to tell what may change.
        private struct Header {
            let family: Family
            let source: [UInt8]
            let destination: [UInt8]
            /// Where the transport header begins, as far as it can be told.
            private let transport: Int
            private let proto: UInt8

            init?(_ bytes: [UInt8]) {
                guard bytes.count >= 34 else { return nil }
                switch (bytes[12], bytes[13], bytes[14] >> 4) {
                case (0x08, 0x00, 4):
                    family = .v4
                    (source, destination) = (Array(bytes[26..<30]), Array(bytes[30..<34]))
                    transport = 14 + Int(bytes[14] & 0x0f) * 4
                    proto = bytes[23]
                case (0x86, 0xdd, 6) where bytes.count >= 54:
                    family = .v6
                    (source, destination) = (Array(bytes[22..<38]), Array(bytes[38..<54]))
                    var (place, next) = (54, bytes[20])
                    while [0, 43, 44, 60].contains(next), place + 8 <= bytes.count {
                        let length = next == 44 ? 8 : (Int(bytes[place + 1]) + 1) * 8
                        next = bytes[place]
                        place += length
                    }
                    (transport, proto) = (place, next)
                default: return nil
                }
            }

            var isOurs: Bool { Self.ours.contains(source) || Self.ours.contains(destination) || isClusterIP }

            private var isClusterIP: Bool {
                destination.starts(with: family == .v4 ? [10, 96] : [0xfd, 0, 0, 0x10, 0, 0x96])
            }

            private static let ours: Set<[UInt8]> = Set(
                Family.allCases.flatMap { family in
                    MutationTests.services.flatMap { service in
                        TestService.Door.allCases.map { service.frontend($0, family).address }
                            + service.local.map { service.endpoint($0, isLocal: true, family).address }
                            + service.remote.map { service.endpoint($0, isLocal: false, family).address }
                    }
                })

            /// Ethernet's addresses, hops, the header's checksum and addresses; ports and checksum behind it; of an ICMP
            /// error the same in what it quotes.
            func mayChange(_ place: Int) -> Bool {
                if place < 12 { return true }
                let fixed: [Range<Int>] = family == .v4 ? [22..<23, 24..<34] : [21..<22, 22..<54]
                if fixed.contains(where: { $0.contains(place) }) { return true }
                let behind = place - transport
                switch proto {
                case 6: return (0..<4).contains(behind) || (16..<18).contains(behind)
                case 17: return (0..<4).contains(behind) || (6..<8).contains(behind)
                case 132: return (0..<4).contains(behind) || (8..<12).contains(behind)
                case 1, 58: return (2..<4).contains(behind) || (8..<8 + 60 + 20).contains(behind)
                default: return false
                }
            }
        }
    }
}
