import TestKit
import Testing

@testable import DNSMessage

/// Messages of random records, written and read again by a reader that has nothing in common with the writer but RFC 1035.
@Suite("messages there and back")
struct RoundTripTests {
    /// Labels that share ends, so that names point at each other.
    private static let labels = ["a", "b", "db", "svc", "default", "cluster", "local", "_http", "_tcp", "x-1", "MiXed"]

    private static func name(_ random: inout SeededGenerator) -> DomainName {
        let labels = (0..<Int.random(in: 0...6, using: &random)).map { _ in
            Int.random(in: 0..<20, using: &random) == 0
                ? String(repeating: "l", count: Int.random(in: 1...63, using: &random))
                : Self.labels[Int.random(in: 0..<Self.labels.count, using: &random)]
        }
        return DomainName(labels, in: .root) ?? .root
    }

    private static func record(_ random: inout SeededGenerator) -> Record {
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in .random(in: .min ... .max, using: &random) } }
        func number<Value: FixedWidthInteger>() -> Value { .random(in: .min ... .max, using: &random) }
        let content: Record.Content =
            switch Int.random(in: 0..<8, using: &random) {
            case 0: .address(bytes(4))
            case 1: .address(bytes(16))
            case 2: .alias(name(&random))
            case 3: .pointer(name(&random))
            case 4: .nameServer(name(&random))
            case 5: .service(priority: number(), weight: number(), port: number(), target: name(&random))
            case 6: .text(String(repeating: "t", count: Int.random(in: 0...255, using: &random)))
            default:
                .authority(
                    .init(primary: name(&random), mailbox: name(&random), serial: number(), minimum: number()))
            }
        return Record(name(&random), timeToLive: number(), content)
    }

    /// The records of a section, one after the other.
    private static func records(_ count: Int, _ reader: inout MessageReader) throws -> [Record] {
        try (0..<count).map { _ in
            let name = try reader.name()
            let (type, recordClass) = (RecordType(rawValue: try reader.uint16()), try reader.uint16())
            let time = try reader.uint32()
            let end = Int(try reader.uint16()) + reader.offset
            try #require(recordClass == 1)
            let content = try content(type, end, &reader)
            try #require(reader.offset == end)
            return Record(name, timeToLive: time, content)
        }
    }

    private static func content(_ type: RecordType, _ end: Int, _ reader: inout MessageReader) throws -> Record.Content
    {
        switch type {
        case .a, .aaaa:
            let bytes = Array(reader.bytes[reader.offset..<end])
            try reader.skip(bytes.count)
            return .address(bytes)
        case .cname: return .alias(try reader.name())
        case .ptr: return .pointer(try reader.name())
        case .ns: return .nameServer(try reader.name())
        case .srv:
            return .service(
                priority: try reader.uint16(), weight: try reader.uint16(), port: try reader.uint16(),
                target: try reader.name())
        case .txt:
            let count = Int(try reader.byte())
            let text = String(decoding: reader.bytes[reader.offset..<(reader.offset + count)], as: UTF8.self)
            try reader.skip(count)
            return .text(text)
        case .soa:
            var authority = Record.Authority(
                primary: try reader.name(), mailbox: try reader.name(), serial: try reader.uint32(), minimum: 0)
            authority.refresh = try reader.uint32()
            authority.retry = try reader.uint32()
            authority.expire = try reader.uint32()
            authority.minimum = try reader.uint32()
            return .authority(authority)
        default: throw MessageReader.Overrun()
        }
    }

    @Test(
        "random records are read as they were written, or left out where they do not fit",
        arguments: 1...8 as ClosedRange<UInt64>)
    func random(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<max(100, FuzzRun.count) {
            func some() -> [Record] {
                (0..<Int.random(in: 0...12, using: &random)).map { _ in Self.record(&random) }
            }
            let question = Question(Self.name(&random), .any)
            // The id 0 leaves addresses in their order.
            let query = try Query(Query.message(for: question))
            var response = Response(.nameError)
            (response.answers, response.authorities, response.additionals) = (some(), some(), some())
            let limit = Bool.random(using: &random) ? 65_535 : Int.random(in: 300...1232, using: &random)
            let bytes = response.encoded(for: query, limit: limit)
            #expect(bytes.count <= limit)
            var reader = MessageReader(bytes)
            let header = try Header(&reader)
            #expect(header.id == 0 && header.isResponse && header.code == 3 && header.questions == 1)
            #expect(try reader.name() == question.name)
            try reader.skip(4)
            let answers = try Self.records(header.answers, &reader)
            let authorities = try Self.records(header.authorities, &reader)
            let additionals = try Self.records(header.additionals, &reader)
            #expect(reader.isAtEnd)
            #expect(answers == Array(response.answers.prefix(answers.count)))
            #expect(authorities == Array(response.authorities.prefix(authorities.count)))
            #expect(additionals == Array(response.additionals.prefix(additionals.count)))
            let isWhole = answers.count == response.answers.count && authorities.count == response.authorities.count
            #expect((header.flags & Header.Flags.truncated != 0) == !isWhole)
            if limit == 65_535 { #expect(isWhole && additionals.count == response.additionals.count) }
            #expect(ForeignResponse(bytes) != nil)
        }
    }
}
