import DNSMessage
import ServiceModel
import TestKit
import Testing

@testable import ServiceNames

/// What one process leaves the next of its names.
@Suite("the image of a zone")
struct ZoneImageTests {
    private func image() throws -> ZoneImage {
        func name(_ text: String) -> ObjectName { ObjectName(namespace: "default", name: text) }
        let (http, dns) = (try #require(Port(80)), try #require(Port(53)))
        let v4 = try #require(IPAddress("10.96.0.15"))
        let v6 = try #require(IPAddress("fd00::1"))
        let ports: [ServiceRecords.NamedPort] = [
            .init(name: "http", proto: .tcp, number: http), .init(name: "dns", proto: .udp, number: dns),
        ]
        return ZoneImage(
            origin: "directory /etc/swiftlet", nodeAddresses: [v4], podCIDRs: [try #require(CIDR("10.244.0.0/24"))],
            entries: [
                .init(name("web"), ServiceRecords(.clusterIPs([v4, v6], ports: ports))),
                .init(
                    name("db"),
                    ServiceRecords(
                        .headless([
                            .init(hostname: "db-0", address: v6, ports: ports),
                            .init(hostname: "x", address: v4, ports: []),
                        ]))),
                .init(name("empty"), ServiceRecords(.headless([]))),
                .init(name("out"), ServiceRecords(.external(try #require(DomainName("www.example.com"))))),
            ])
    }

    @Test("is read as it was written, and leads to the same answers")
    func roundTrip() throws {
        let image = try image()
        let read = try #require(ZoneImage(image.bytes))
        #expect(read == image)
        var zone = ServiceZone(.init(domain: try #require(DomainName("cluster.local"))))
        for entry in read.entries { zone.set(entry.name, to: entry.records) }
        #expect(zone.entries.sorted { $0.name < $1.name } == image.entries.sorted { $0.name < $1.name })
    }

    @Test("one that is damaged, cut off or of another layout is not read")
    func damaged() throws {
        let bytes = try image().bytes
        for place in bytes.indices {
            var other = bytes
            other[place] ^= 1
            #expect(ZoneImage(other) == nil, "byte \(place)")
            #expect(ZoneImage(Array(bytes.prefix(place))) == nil, "\(place) bytes")
        }
        #expect(ZoneImage(bytes + [0]) == nil)
    }

    @Test("whatever the bytes say, with a checksum that fits, is read or not", arguments: [1, 2] as [UInt64])
    func fuzz(seed: UInt64) throws {
        let whole = try image().bytes.dropLast(8)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<3000 {
            var bytes = Array(whole)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: .min ... .max, using: &random)
            }
            let sum = ImageReader.checksum(bytes[...])
            _ = ZoneImage(bytes + (0..<8).map { UInt8(truncatingIfNeeded: sum >> (56 - 8 * $0)) })
        }
    }
}
