import CDatapath
import NetworkLab
import ServiceModel
import TestKit
import Testing

extension TranslationTests {
    @Suite("What is not ours")
    struct UntouchedTests {
        private func lab() throws -> TranslationLab {
            let lab = try TranslationLab.current
            try lab.serve([TestService(), TestService(name: "dns", number: 53, transport: .udp, nodePort: 30_053)])
            return lab
        }

        private func strangers(_ family: Family) -> [Packet] {
            let (client, stranger) = (family.outside(), family.stranger)
            let ownPort = SocketAddress(address: family.node.address, port: 22)
            let frontend = TestService().frontend(.nodePort, family)
            var packets: [Packet] = Transport.allCases.flatMap { transport in
                [
                    Packet.first(transport, client, stranger), .first(transport, stranger, client),
                    .first(transport, client, ownPort), .first(transport, client, family.pod(11, port: 8_080)),
                    .first(transport, family.pod(11, port: 8_080), client),
                ]
            }
            // Spec 39: the same port over another protocol is another frontend.
            packets += [
                .udp(client, frontend), .sctp(client, frontend), .echo(client, frontend), .echo(client, stranger),
            ]
            return packets + packets.compactMap { $0.content.ports == nil ? nil : $0.fragments(of: 8).last }
        }

        @Test("goes as it came, bit for bit, at every hook", arguments: Family.allCases)
        func passes(family: Family) throws {
            let lab = try lab()
            for packet in strangers(family) {
                for hook in Hook.framed {
                    let verdict = try lab.run(packet, hook)
                    #expect(verdict.action == .passOn, "\(hook) \(packet)")
                    expectUntouched(verdict.bytes, packet.bytes, "\(hook)")
                }
            }
            #expect(try lab.flows(family).isEmpty)
        }

        /// What is looked up, and not ours after all, is counted.
        @Test("is not looked up at other ports of the node, nor at its neighbours'", arguments: Family.allCases)
        func passesFilter(family: Family) throws {
            let lab = try lab()
            let node = family.node.address
            let neighbour = node.dropLast() + [node[node.count - 1] ^ 0x40]
            func looksUp(_ address: [UInt8], _ port: UInt16) throws -> Bool {
                let before = try lab.count(of: COUNT_PASS_PACKET)
                let packet = Packet.tcp(family.outside(), SocketAddress(address: Array(address), port: port))
                #expect(try lab.run(packet, .wireIn).action == .passOn)
                return try lab.count(of: COUNT_PASS_PACKET) > before
            }
            #expect(try !looksUp(node, 22))
            #expect(try !looksUp(Array(neighbour), 22))
            #expect(try looksUp(Array(neighbour), 30_080), "they share the node's bits")
        }

        @Test("is left alone when its header has another version than the frame says", arguments: Family.allCases)
        func leavesOtherVersions(family: Family) throws {
            let lab = try lab()
            let good = Packet.tcp(family.outside(), TestService().frontend(.clusterIP, family)).bytes
            #expect(try lab.run(good, .wireIn).bytes != good)
            for version: UInt8 in 0..<16 where version != good[14] >> 4 {
                var frame = good
                frame[14] = version << 4 | frame[14] & 0x0f
                for hook in Hook.framed {
                    let verdict = try lab.run(frame, hook)
                    #expect(verdict.action == .passOn)
                    expectUntouched(verdict.bytes, frame)
                }
            }
        }

        @Test("is left alone when it is no IP at all")
        func leavesOtherTypes() throws {
            let lab = try lab()
            for type: [UInt8] in [[0x08, 0x06], [0x88, 0x47], [0x00, 0x26], [0x81, 0x00]] {
                let frame =
                    Ethernet.plain.destination + Ethernet.plain.source + type + [UInt8](repeating: 0x45, count: 60)
                for hook in Hook.framed {
                    let verdict = try lab.run(frame, hook)
                    #expect(verdict.action == .passOn)
                    expectUntouched(verdict.bytes, frame)
                }
            }
        }

        /// The kernel drops what its header says is longer than the frame, and what is sent on never comes by there.
        @Test("is left alone when it is cut short", arguments: Family.allCases, Transport.allCases)
        func leavesTruncated(family: Family, transport: Transport) throws {
            let lab = try lab()
            let service = TestService(transport: transport)
            try lab.serve([service])
            let whole = Packet.first(transport, family.outside(), service.frontend(.nodePort, family)).bytes
            let header = 14 + (family == .v4 ? 20 : 40)
            try lab.inside { runner in
                for length in max(34, header - 1)..<whole.count {
                    guard let verdict = try? runner.run(Array(whole.prefix(length)), .wireIn) else { continue }
                    expectUntouched(verdict.bytes, Array(whole.prefix(length)), "\(length) bytes")
                }
            }
        }

        @Test("is left alone when its header is longer than the packet says it is", arguments: Transport.allCases)
        func leavesShortLengths(transport: Transport) throws {
            let lab = try lab()
            let service = TestService(transport: transport)
            try lab.serve([service])
            for length in [UInt8](0..<20) {
                var frame = Packet.first(transport, Family.v4.outside(), service.frontend(.nodePort, .v4)).bytes
                (frame[16], frame[17]) = (0, length)
                expectUntouched(try lab.run(frame, .wireIn).bytes, frame, "\(length) bytes")
            }
            #expect(try lab.flows(.v4).isEmpty)
        }

        /// Nothing that a sender can put into a packet may change one that is not ours. Half of the packets are made
        /// from good ones by a few changes, so that they get far; the seed is fixed, so that a failure comes again.
        @Test("is left alone whatever is in it", arguments: Hook.framed)
        func survivesNoise(hook: Hook) throws {
            let lab = try lab()
            var generator = SeededGenerator(seed: 0x5eed + UInt64(hook.rawValue.utf8.count))
            var (ran, passed) = (0, 0)
            try lab.inside { runner in
                for number in 0..<8_000 {
                    let family: Family = number % 2 == 0 ? .v4 : .v6
                    let bytes = number % 4 < 2 ? noise(&generator, family) : damaged(&generator, family)
                    // The kernel refuses to run what has no whole header.
                    guard let verdict = try? runner.run(bytes, hook) else { continue }
                    ran += 1
                    #expect(verdict.action == .passOn || mayBeOurs(bytes), "\(hex(bytes))")
                    if !mayBeOurs(bytes) { expectUntouched(verdict.bytes, bytes) }
                    if verdict.action == .passOn { passed += 1 }
                }
            }
            #expect(ran > 6_000)
            #expect(passed > 3_000)
        }

        /// What arrives damaged for a Service goes on damaged just so: the receiver must be able to see it.
        @Test("is not made whole either when it is ours", arguments: Route.all.filter { $0.door == .nodePort })
        func keepsDamage(route: Route) throws {
            let lab = try TranslationLab.current
            try lab.serve([route.service])
            let exchange = try Exchange(route, lab)
            var generator = SeededGenerator(seed: 0xbad)
            let good = Packet.first(route.transport, exchange.client, route.frontend).bytes
            let transport = 14 + (route.family == .v4 ? 20 : 40)
            var compared = 0
            try lab.inside { runner in
                for _ in 0..<500 {
                    var bytes = good
                    let place = Int.random(in: transport + 4..<bytes.count, using: &generator)
                    bytes[place] = UInt8.random(in: 0...255, using: &generator)
                    // Lengths that do not fit are no packet, and a RST begins no connection.
                    guard let damaged = try? Packet(bytes), !damaged.endsFlow else { continue }
                    let verdict = try runner.run(bytes, .wireIn)
                    expectEqual(
                        verdict.bytes, damaged.changing(source: exchange.inner, destination: route.backend))
                    compared += 1
                }
            }
            #expect(compared > 250)
        }

        private func noise(_ generator: inout SeededGenerator, _ family: Family) -> [UInt8] {
            var bytes = (0..<Int.random(in: 60...200, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            bytes.store(family.etherType, at: 12)
            bytes[14] = UInt8(family.rawValue) << 4 | bytes[14] & 0x0f
            return bytes
        }

        /// A packet for a frontend or of a stranger with up to four bytes changed, perhaps cut.
        private func damaged(_ generator: inout SeededGenerator, _ family: Family) -> [UInt8] {
            let client = family.outside(Int.random(in: 2...99, using: &generator))
            let frontend = TestService().frontend(
                TestService.Door.allCases.randomElement(using: &generator) ?? .nodePort, family)
            let candidates =
                strangers(family) + [
                    .tcp(client, frontend), .udp(client, frontend),
                    .error(.hostUnreachable, from: client, about: .tcp(frontend, client)),
                ]
            var bytes = (candidates.randomElement(using: &generator) ?? candidates[0]).bytes
            for _ in 0..<Int.random(in: 0...4, using: &generator) {
                bytes[Int.random(in: 14..<bytes.count, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) {
                bytes.removeLast(Int.random(in: 0...max(bytes.count - 40, 0), using: &generator))
            }
            return bytes
        }

        /// Whether an address of a Service or of an endpoint, or of the range of ClusterIPs, is in the packet. A test
        /// that says yes too often is weaker, but never wrong.
        private func mayBeOurs(_ bytes: [UInt8]) -> Bool {
            let family: Family = bytes[12] == 0x08 ? .v4 : .v6
            let destination = family == .v4 ? Array(bytes[30..<34]) : Array(bytes[38..<54])
            let addresses = TestService.Door.allCases.flatMap { door in
                [TestService(), TestService(number: 53)].map { $0.frontend(door, family).address }
            }
            let range = TestService().frontend(.clusterIP, family).address.prefix(family == .v4 ? 2 : 14)
            // A connection past Services may meet a flow, and gets another port then (spec 52).
            let endpoints = [TestService().endpoint(family).address, TestService(number: 53).endpoint(family).address]
            return (addresses + endpoints).contains(destination) || destination.starts(with: range)
        }
    }
}

/// SplitMix64: the same numbers from the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

extension Packet {
    fileprivate var endsFlow: Bool {
        if case .tcp(let segment) = content { !segment.flags.isDisjoint(with: [.reset, .fin]) } else { false }
    }
}
