import NetworkLab
import Testing

/// A packet, and what a program at tc made of it: whether that is something that translation may do.
struct PacketChange {
    private let before: [UInt8]
    private let after: Verdict

    init(_ before: [UInt8], _ after: Verdict) {
        self.before = before
        self.after = after
    }

    /// What is wrong with it, while these Services are served.
    func mistake(_ services: [TestService]) -> String? {
        guard let action = after.action else { return "no such verdict" }
        guard action != .drop, after.bytes != before else { return nil }
        guard let header = PacketHeader(before) else { return "what is no IP was changed" }
        guard header.concerns(services) else { return "what is nobody's was changed" }
        guard let now = PacketHeader(after.bytes) else { return "what was IP is none" }
        // A refusal, or an error about the packet: it goes back, and is a packet of its own.
        if action == .redirect, now.destination == header.source, now.isRefusal(after.bytes) { return nil }
        guard after.bytes.count == before.count else { return "it has another length" }
        for place in before.indices where before[place] != after.bytes[place] {
            if !header.mayChange(place) { return "byte \(place) changed" }
        }
        return nil
    }
}

/// As much of a header as is needed to tell what may change.
private struct PacketHeader {
    private let family: Family
    let source: [UInt8]
    let destination: [UInt8]
    /// Where the transport header begins, as far as it can be told.
    private let transport: Int
    private let proto: UInt8
    /// The addresses in what an ICMP error quotes.
    private let quoted: [[UInt8]]

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
        let (start, size) = family == .v4 ? (transport + 8 + 12, 4) : (transport + 8 + 8, 16)
        let isQuote = [1, 58].contains(proto) && start + 2 * size <= bytes.count
        quoted = isQuote ? [start, start + size].map { Array(bytes[$0..<$0 + size]) } : []
    }

    /// Whether an end of the packet is a frontend or an endpoint, or in the range of ClusterIPs. An error is about the
    /// packet that it quotes, whoever sends it.
    func concerns(_ services: [TestService]) -> Bool {
        let ends = [source, destination] + quoted
        if destination.starts(with: family == .v4 ? [10, 96] : [0xfd, 0, 0, 0x10, 0, 0x96]) { return true }
        return services.contains { service in
            let addresses =
                TestService.Door.allCases.map { service.frontend($0, family).address }
                + service.local.map { service.endpoint($0, isLocal: true, family).address }
                + service.remote.map { service.endpoint($0, isLocal: false, family).address }
            return addresses.contains(where: ends.contains)
        }
    }

    /// A reset of TCP, or an error of ICMP.
    func isRefusal(_ bytes: [UInt8]) -> Bool {
        switch proto {
        case 6: transport + 13 < bytes.count && bytes[transport + 13] & 0x04 != 0
        case 1: transport < bytes.count && [3, 11].contains(bytes[transport])
        case 58: transport < bytes.count && (1...4).contains(bytes[transport])
        default: false
        }
    }

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

@Suite("What translation may change")
struct PacketChangeTests {
    private static let service = TestService()

    /// What a program that works makes of a request.
    private static func translation(_ family: Family) -> (Packet, Packet) {
        let request = Packet.tcp(family.outside(), service.frontend(.clusterIP, family))
        return (request, request.changing(source: family.node, destination: service.endpoint(family), hops: 63))
    }

    private func mistake(_ before: Packet, _ after: [UInt8], _ action: Action? = .redirect) -> String? {
        PacketChange(before.bytes, Verdict(action: action, bytes: after)).mistake([Self.service])
    }

    @Test("a translation, a refusal and a packet that is left are no mistakes", arguments: Family.allCases)
    func good(family: Family) {
        let (request, translated) = Self.translation(family)
        #expect(mistake(request, translated.bytes) == nil)
        #expect(mistake(request, request.bytes, .passOn) == nil)
        #expect(mistake(request, request.reply([.reset, .ack]).bytes) == nil)
        let error = Packet.error(.hostUnreachable, from: request.destination, about: request)
        #expect(mistake(request, error.bytes) == nil)
        // A router's error about it, which becomes the frontend's.
        let routers = Packet.error(.hostUnreachable, from: family.stranger, about: translated)
        #expect(mistake(routers, routers.changing(source: request.destination).bytes) == nil)
    }

    @Test("everything else is", arguments: Family.allCases)
    func bad(family: Family) {
        let (request, translated) = Self.translation(family)
        let stranger = Packet.tcp(family.outside(), family.stranger)
        let header = family == .v4 ? 34 : 54
        #expect(mistake(request, translated.bytes, nil) == "no such verdict")
        #expect(mistake(stranger, stranger.changing(hops: 63).bytes) == "what is nobody's was changed")
        #expect(mistake(request, Array(translated.bytes.dropLast())) == "it has another length")
        // Answers that are no refusal, and a sequence number that has become another one.
        #expect(mistake(request, request.reply(payload: [1]).bytes) == "it has another length")
        var bytes = translated.bytes
        bytes[header + 4] ^= 1
        #expect(mistake(request, bytes) == "byte \(header + 4) changed")
        bytes = translated.bytes
        bytes[12] ^= 0xff
        #expect(mistake(request, bytes) == "what was IP is none")
        var other = request.bytes
        other[12] ^= 0xff
        #expect(
            PacketChange(other, Verdict(action: .passOn, bytes: request.bytes)).mistake([Self.service])
                == "what is no IP was changed")
    }
}
