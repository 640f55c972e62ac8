import TestKit
import Testing

@testable import DNSMessage

@Suite("messages of DNS")
struct MessageTests {
    private func query(_ name: String, _ type: RecordType, extensions: [UInt8] = []) -> [UInt8] {
        var bytes = Query.message(for: Question(DomainName(name) ?? .root, type))
        (bytes[0], bytes[1]) = (0xab, 0xcd)
        bytes[11] = extensions.isEmpty ? 0 : 1
        return bytes + extensions
    }

    @Test(
        "a name is its labels, in lower case, with or without the closing dot",
        arguments: [("My-API.default", "my-api.default."), (".", "."), ("a.b.", "a.b."), ("_x._tcp.c", "_x._tcp.c.")])
    func reads(text: String, description: String) throws {
        #expect(try #require(DomainName(text)).description == description)
    }

    @Test(
        "a label has 1 to 63 bytes, a name at most 255",
        arguments: ["a..b", ".a", String(repeating: "x", count: 64), String(repeating: "abcdefg.", count: 32)])
    func refuses(text: String) { #expect(DomainName(text) == nil) }

    @Test("a name is below another only at the edge of a label")
    func edges() throws {
        let zone = try #require(DomainName("cluster.local"))
        #expect(try #require(DomainName("a.b.cluster.local")).labels(below: zone)?.count == 2)
        #expect(try #require(DomainName("cluster.local")).labels(below: zone)?.isEmpty == true)
        #expect(try #require(DomainName("mycluster.local")).labels(below: zone) == nil)
        // The length byte of a label may look like a letter, and the end of a label like a name.
        let sly = DomainName(uncheckedWire: [15] + [97] + [7] + Array("cluster".utf8) + [5] + Array("local".utf8) + [0])
        #expect(sly.labels(below: zone) == nil)
    }

    @Test("a question is read, and its spelling kept")
    func readsQuestion() throws {
        var bytes = query("my-api.default.svc.cluster.local", .a)
        bytes[13] = UInt8(ascii: "M")
        let query = try Query(bytes)
        #expect(query.id == 0xabcd)
        #expect(query.wantsRecursion)
        #expect(query.question.name.description == "my-api.default.svc.cluster.local.")
        #expect(query.questionBytes[1] == UInt8(ascii: "M"))
        #expect(query.largestDatagram == 512)
    }

    @Test("extensions say how much the client takes, within what any network passes")
    func readsExtensions() throws {
        let extensions: [UInt8] = [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0]
        let query = try Query(query("a", .a, extensions: extensions))
        #expect(query.extensions == Query.Extensions(payloadSize: 4096, version: 0, wantsSignatures: true))
        #expect(query.largestDatagram == 1232)
        #expect(throws: MalformedMessage.self) {
            var twice = self.query("a", .a, extensions: extensions + extensions)
            twice[11] = 2
            _ = try Query(twice)
        }
    }

    @Test("what is cut short and a response cannot be read; several questions and none are forbidden")
    func malformed() {
        let message = query("a", .a)
        var response = message
        response[2] |= 0x80
        for bytes in [response] + (0..<message.count).map({ Array(message.prefix($0)) }) {
            #expect(throws: MalformedMessage.unreadable) { try Query(bytes) }
        }
        for count: UInt8 in [0, 2] {
            var several = message
            several[5] = count
            #expect(throws: MalformedMessage.forbidden(id: 0xabcd, opcode: 0, wantsRecursion: true)) {
                try Query(several)
            }
        }
    }

    @Test("a pointer only leads back, so that names end")
    func loops() {
        var reader = MessageReader([0xc0, 0x00], at: 0)
        #expect(throws: MessageReader.Overrun.self) { try reader.name() }
        var mutual = MessageReader([0xc0, 0x02, 0xc0, 0x00], at: 2)
        #expect(throws: MessageReader.Overrun.self) { try mutual.name() }
    }

    @Test("a name has no more pointers than labels: what comes does not cost more than it is long")
    func chains() throws {
        /// A name `a` at the front, and pointers that lead back by one each.
        func chain(_ count: Int) -> [UInt8] {
            [1, 0x61, 0]
                + (0..<count).flatMap { number -> [UInt8] in
                    let target = number == 0 ? 0 : 3 + 2 * (number - 1)
                    return [0xc0 | UInt8(target >> 8), UInt8(target & 0xff)]
                }
        }
        for (count, isRead) in [(1, true), (100, true), (127, true), (128, false), (5000, false)] {
            var reader = MessageReader(chain(count), at: 3 + 2 * (count - 1))
            #expect((try? reader.name()) == (isRead ? DomainName("a") : nil), "\(count) pointers")
        }
    }

    @Test("what is written is read again, names that point back included")
    func roundTrip() throws {
        let query = try Query(query("_http._tcp.db.default.svc.cluster.local", .srv, extensions: Self.plainExtensions))
        let target = try #require(DomainName("db-0.db.default.svc.cluster.local"))
        var response = Response()
        response.isAuthoritative = true
        response.answers = [
            Record(query.question.name, timeToLive: 5, .service(priority: 0, weight: 100, port: 80, target: target))
        ]
        response.additionals = [Record(target, timeToLive: 5, .address([10, 0, 0, 7]))]
        let bytes = response.encoded(for: query, limit: 512)
        let read = try #require(ForeignResponse(bytes))
        #expect(read.question == query.question)
        #expect(read.lifetime == 5)
        #expect(read.code == .noError)
        #expect(bytes.suffix(11) == [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0])
        // The owner of the address points at the target, of which only the end was written before.
        #expect(
            bytes.count == 12 + query.questionBytes.count + 12 + 6 + target.wire.count + 2 + 5 + 2 + 10 + 4 + 11 - 2 + 0
        )
    }

    private static let plainExtensions: [UInt8] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]

    @Test("what does not fit is left out, and said")
    func truncates() throws {
        let query = try Query(query("db.default.svc.cluster.local", .a))
        var response = Response()
        response.answers = (0..<100).map { Record(query.question.name, timeToLive: 5, .address([10, 0, 0, $0])) }
        let bytes = response.encoded(for: query, limit: 512)
        #expect(bytes.count <= 512)
        #expect(bytes[2] & 2 == 2)
        #expect(try #require(ForeignResponse(bytes)).isTruncated)
        #expect(response.encoded(for: query, limit: 65_535)[2] & 2 == 0)
    }

    @Test("times to live of what others said grow shorter with its age, and an absence has the zone's")
    func ages() throws {
        let query = try Query(query("www.example.com", .a))
        var response = Response()
        response.answers = [Record(query.question.name, timeToLive: 60, .address([192, 0, 2, 1]))]
        let known = try #require(ForeignResponse(response.encoded(for: query, limit: 512)))
        #expect(known.lifetime == 60)
        #expect(try #require(ForeignResponse(known.encoded(for: query, age: 25, limit: 512))).lifetime == 35)
        var absence = Response(.nameError)
        let zone = try #require(DomainName("example.com"))
        absence.authorities = [
            Record(zone, timeToLive: 3600, .authority(.init(primary: zone, mailbox: zone, serial: 1, minimum: 30)))
        ]
        #expect(try #require(ForeignResponse(absence.encoded(for: query, limit: 512))).lifetime == 30)
        #expect(try #require(ForeignResponse(Response(.serverFailure).encoded(for: query, limit: 512))).lifetime == 0)
    }

    @Test("no bytes whatever make a reader run past its end", arguments: [1, 2, 3, 4] as [UInt64])
    func fuzz(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var response = Response()
        let query = try Query(query("_a._tcp.db.x.svc.cluster.local", .srv, extensions: Self.plainExtensions))
        response.answers = (0..<4).map {
            Record(query.question.name, timeToLive: 5, .service(priority: 0, weight: 1, port: $0, target: .root))
        }
        let corpus = [
            self.query("a.b", .a), self.query("x", .any, extensions: Self.plainExtensions),
            response.encoded(for: query, limit: 1232),
        ]
        for _ in 0..<20_000 {
            var bytes = corpus[Int.random(in: corpus.indices, using: &random)]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0:
                    bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: .min ... .max, using: &random)
                case 1: bytes[Int.random(in: bytes.indices, using: &random)] ^= 0xc0
                default: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
                }
                if bytes.isEmpty { bytes = [0] }
            }
            if let query = try? Query(bytes) { _ = Response().encoded(for: query, limit: 512) }
            if let response = ForeignResponse(bytes) {
                _ = response.encoded(for: query, age: 1, limit: 65_535)
                _ = response.addresses(for: response.question)
            }
        }
    }
}
