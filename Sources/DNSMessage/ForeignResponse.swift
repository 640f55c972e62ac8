/// A response of another server, which is passed on as it came: only what a cache must know of it is read.
package struct ForeignResponse: Sendable {
    package let bytes: [UInt8]
    package let question: Question
    package let code: ResponseCode
    package let isTruncated: Bool
    /// How long it may be kept, in seconds: the shortest time to live of its records, and for an absence no more than
    /// the zone's own word on absences (RFC 2308 5). 0 if it must not be kept.
    package let lifetime: UInt32
    /// Where the times to live stand.
    private let timePlaces: [Int]
    /// Where the question ends, and then each answer.
    private let ends: [Int]

    /// Nil for what is no response, or runs past its end.
    package init?(_ bytes: [UInt8]) {
        guard let read = try? Self.read(bytes) else { return nil }
        self = read
    }

    private init(
        bytes: [UInt8], question: Question, header: Header, lifetime: UInt32, timePlaces: [Int], ends: [Int]
    ) {
        self.bytes = bytes
        self.question = question
        code = ResponseCode(rawValue: header.code)
        isTruncated = header.flags & Header.Flags.truncated != 0
        self.lifetime = lifetime
        self.timePlaces = timePlaces
        self.ends = ends
    }

    private static func read(_ bytes: [UInt8]) throws -> ForeignResponse {
        var reader = MessageReader(bytes)
        let header = try Header(&reader)
        guard header.isResponse, header.questions == 1 else { throw MessageReader.Overrun() }
        let question = Question(
            try reader.name(), RecordType(rawValue: try reader.uint16()), recordClass: try reader.uint16())
        var (shortest, absence): (UInt32?, UInt32?) = (nil, nil)
        var places: [Int] = []
        var ends = [reader.offset]
        for index in 0..<(header.answers + header.authorities + header.additionals) {
            try reader.skipName()
            let type = RecordType(rawValue: try reader.uint16())
            _ = try reader.uint16()
            let place = reader.offset
            let time = try reader.uint32()
            let end = Int(try reader.uint16()) + reader.offset
            // The time of an OPT record is flags.
            if type != .opt {
                places.append(place)
                // The upper bit means 0 (RFC 2181 8).
                shortest = min(shortest ?? .max, time >> 31 == 0 ? time : 0)
            }
            if type == .soa, (header.answers..<(header.answers + header.authorities)).contains(index) {
                try reader.skipName()
                try reader.skipName()
                try reader.skip(16)
                absence = min(time, try reader.uint32())
            }
            guard end >= reader.offset else { throw MessageReader.Overrun() }
            try reader.skip(end - reader.offset)
            if index < header.answers { ends.append(end) }
        }
        let isAbsence = header.answers == 0 || header.code == ResponseCode.nameError.rawValue
        let isFinal = header.code == 0 || header.code == ResponseCode.nameError.rawValue
        let isTruncated = header.flags & Header.Flags.truncated != 0
        let lifetime = isAbsence ? absence.map { min($0, shortest ?? $0) } : shortest
        return ForeignResponse(
            bytes: bytes, question: question, header: header,
            lifetime: isFinal && !isTruncated ? lifetime ?? 0 : 0, timePlaces: places, ends: ends)
    }

    /// The message for a query with the same question, so many seconds after it came: with that query's id and its
    /// spelling of the question, and with times to live that are as much shorter. Of one that is larger than the client
    /// takes the first answers are there, and the client asks again over TCP.
    package func encoded(for query: Query, age: UInt32, limit: Int) -> [UInt8] {
        var bytes = bytes.count <= limit ? bytes : cut(for: query, limit)
        (bytes[0], bytes[1]) = (query.id.high, query.id.low)
        bytes[2] = bytes[2] & ~1 | (query.wantsRecursion ? 1 : 0)
        for (index, byte) in query.questionBytes.enumerated() where Header.size + index < bytes.count {
            bytes[Header.size + index] = byte
        }
        if age == 0 { return bytes }
        for place in timePlaces where place + 4 <= bytes.count {
            let time = (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[place + $1]) }
            let left = time > age ? time - age : 0
            for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: left >> (24 - 8 * UInt32(index))) }
        }
        return bytes
    }

    private func cut(for query: Query, _ limit: Int) -> [UInt8] {
        let tail = query.extensions.map { MessageWriter.extensions(code, signatures: $0.wantsSignatures) } ?? []
        let answers = max(0, ends.count { $0 + tail.count <= limit } - 1)
        var bytes = Array(bytes[..<ends[answers]]) + tail
        bytes[2] |= Header.Flags.truncated.high
        let counts = [answers, 0, tail.isEmpty ? 0 : 1].map { UInt16(truncatingIfNeeded: $0) }
        for (section, count) in counts.enumerated() {
            (bytes[6 + 2 * section], bytes[7 + 2 * section]) = (count.high, count.low)
        }
        return bytes
    }
}
