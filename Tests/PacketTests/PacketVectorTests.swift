import NetworkLab
import Testing

/// Known answers, made by others.
@Suite("Packets as bytes")
struct PacketVectorTests {
    @Test("the Internet checksum of RFC 1071's example")
    func sums() {
        var checksum = InternetChecksum()
        checksum.add([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])
        #expect(~checksum.value == 0xddf2)
    }

    private static let checked: [(bytes: [UInt8], crc: UInt32)] = [
        ([UInt8](repeating: 0, count: 32), 0x8a91_36aa), ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
        (Array(0..<32), 0x46dd_794e), (Array("123456789".utf8), 0xe306_9283),
    ]

    @Test("CRC-32C of RFC 3720's examples", arguments: checked)
    func checks(bytes: [UInt8], crc: UInt32) { #expect(CRC32C.of(bytes) == crc) }

    /// A DNS question of 192.168.0.1 with a header whose checksum is in the textbooks: 0xb861.
    @Test("an IPv4 header has the textbook's checksum")
    func buildsHeader() {
        var packet = Packet.udp("192.168.0.1:1", "192.168.0.199:2", payload: [UInt8](repeating: 0, count: 87))
        packet.ip.dontFragment = true
        packet.ethernet = nil
        let expected: [UInt8] = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8,
            0x00, 0xc7,
        ]
        #expect(Array(packet.bytes.prefix(20)) == expected)
    }

    @Test("a field that is off shows, and where", arguments: samples)
    func seesCorruption(sample: Sample) throws {
        let bytes = sample.packet.bytes
        let start = sample.packet.ethernet == nil ? 0 : 14 + 4 * (sample.packet.ethernet?.tags.count ?? 0)
        for offset in start..<bytes.count {
            var corrupt = bytes
            corrupt[offset] ^= 0x10
            let read = try? Packet(corrupt, hasEthernet: sample.packet.ethernet != nil)
            #expect(read != sample.packet, "byte \(offset)")
        }
    }

    @Test("building and reading are each other's inverse", arguments: samples)
    func roundTrips(sample: Sample) throws {
        let bytes = sample.packet.bytes
        let read = try Packet(bytes, hasEthernet: sample.packet.ethernet != nil)
        expectEqual(read, sample.packet)
        #expect(read.bytes == bytes)
    }

    @Test("a wrong checksum stays as wrong as it is", arguments: Family.allCases)
    func keepsErrors(family: Family) throws {
        let (client, vip) = (family.client, family.vip)
        var segment = Packet.tcp(client, vip)
        guard case .tcp(var contents) = segment.content else { return }
        contents.checksumError = 0x1234
        segment.content = .tcp(contents)
        let read = try Packet(segment.bytes)
        #expect(read == segment)
        #expect(read != Packet.tcp(client, vip))
        #expect(read.difference(from: .tcp(client, vip)) == ["checksum: off by 4660, expected right"])
        #expect(read.description.hasSuffix("wrong checksum"))
    }

    @Test("short packets are refused, never read beyond their end", arguments: samples)
    func refusesTruncated(sample: Sample) {
        let bytes = sample.packet.bytes
        for length in 0..<(bytes.count - sample.packet.trailer.count) {
            let read = try? Packet(Array(bytes.prefix(length)), hasEthernet: sample.packet.ethernet != nil)
            #expect(read == nil, "\(length) bytes")
        }
    }

    @Test("fragments come together in any order", arguments: Family.allCases)
    func reassembles(family: Family) throws {
        let payload = (0..<2_000).map { UInt8(truncatingIfNeeded: $0) }
        let whole = Packet.udp(family.client, family.vip, payload: payload)
        let parts = whole.fragments(of: 512)
        #expect(parts.count == 4)
        let read = try parts.map { try Packet($0.bytes) }
        #expect(read == parts)
        var expected = whole
        if family == .v4 { expected.ip.identification = 7 }
        expectEqual(try Packet(reassembling: [read[2], read[0], read[3], read[1]]), expected)
        #expect(throws: PacketError.self) { try Packet(reassembling: [read[0], read[1], read[3]]) }
        #expect(throws: PacketError.self) { try Packet(reassembling: Array(read.prefix(3))) }
    }

    @Test("a difference names the fields", arguments: Family.allCases)
    func explains(family: Family) {
        let sent = Packet.tcp(family.client, family.vip)
        let other = sent.changing(source: family.pod, hops: 63)
        #expect(
            sent.difference(from: other) == [
                "source: \(family.client.host), expected \(family.pod.host)", "hops: 64, expected 63",
                "ports: 4000 → 80, expected 8080 → 80",
            ])
        #expect(sent.description == "\(family.client) → \(family.vip) TCP [S]")
        let error = Packet.error(.portUnreachable, from: family.vip, about: sent)
        let code = family == .v4 ? "type 3 code 3" : "type 1 code 4"
        #expect(
            error.description == "\(family.vip.host) → \(family.client.host) ICMP \(code) about"
                + " (\(family.client) → \(family.vip) TCP [S] without Ethernet)")
    }
}

extension Family {
    var client: SocketAddress { self == .v4 ? "10.0.0.9:4000" : "[fd00::9]:4000" }
    var vip: SocketAddress { self == .v4 ? "10.96.0.15:80" : "[fd00:10:96::15]:80" }
    var pod: SocketAddress { self == .v4 ? "10.244.0.11:8080" : "[fd00:10:244::11]:8080" }
}

/// A packet with a name.
struct Sample: CustomTestStringConvertible, Sendable {
    var name: String
    var packet: Packet

    var testDescription: String { name }

    /// With one change.
    init(_ name: String, _ packet: Packet, _ change: (inout Packet) -> Void = { _ in }) {
        self.name = "\(name), IPv\(packet.family.rawValue)"
        self.packet = packet
        change(&self.packet)
    }
}

/// One of each kind that the builders know.
let samples: [Sample] =
    Family.allCases.flatMap(samples(of:)) + [
        Sample("options", .tcp(Family.v4.client, Family.v4.vip)) { $0.ip.options = [7, 7, 4, 0, 0, 0, 0, 0] },
        Sample("don't fragment", .udp(Family.v4.client, Family.v4.vip)) { $0.ip.dontFragment = true },
        Sample("without checksum", .udp(Family.v4.client, Family.v4.vip)) {
            $0.content = .udp(UDPDatagram(sourcePort: 4000, destinationPort: 80, payload: [9], hasChecksum: false))
        },
        Sample("three extension headers", .udp(Family.v6.client, Family.v6.vip)) {
            $0.ip.extensions = [
                .padded(ProtocolNumber.hopByHop), .spentRouting, .padded(ProtocolNumber.destinationOptions, length: 24),
            ]
        },
        Sample("a fragment that is whole", .tcp(Family.v6.client, Family.v6.vip)) {
            $0.ip.fragment = IPHeader.Fragment(offset: 0, more: false, identification: 3)
        },
    ]

private func samples(of family: Family) -> [Sample] {
    let (client, vip) = (family.client, family.vip)
    return [
        Sample("SYN", .tcp(client, vip)),
        Sample("data", .tcp(client, vip, [.push, .ack], payload: [1, 2, 3])),
        Sample("datagram", .udp(client, vip)),
        Sample("empty datagram", .udp(client, vip, payload: [])),
        Sample("INIT", .sctp(client, vip)),
        Sample("echo", .echo(client, vip)),
        Sample("error", .error(.hostUnreachable, from: vip, about: .udp(client, vip))),
        Sample("packet too big", .error(.tooBig(mtu: 1280), from: vip, about: .tcp(client, vip), quoting: 48)),
        Sample("one tag", .udp(client, vip)) { $0.ethernet = .tagged(10) },
        Sample("two tags", .tcp(client, vip)) { $0.ethernet = .tagged(10, 20) },
        Sample("no Ethernet", .tcp(client, vip)) { $0.ethernet = nil },
        Sample("first fragment", Packet.udp(client, vip).fragments(of: 8)[0]),
        Sample("last fragment", Packet.udp(client, vip).fragments(of: 8)[1]),
        Sample("another protocol", .tcp(client, vip)) { $0.content = .bytes(ofProtocol: 47, [0, 0, 8, 0]) },
        Sample("few hops, some class", .udp(client, vip)) { ($0.ip.hops, $0.ip.trafficClass) = (1, 0xb8) },
    ]
}
