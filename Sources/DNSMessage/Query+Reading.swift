extension Query {
    /// Reads a message that asks one question, which is what servers answer (RFC 9619).
    package init(_ bytes: [UInt8]) throws(MalformedMessage) {
        var reader = MessageReader(bytes)
        guard let header = try? Header(&reader), !header.isResponse else { throw .unreadable }
        let wantsRecursion = header.flags & Header.Flags.recursionDesired != 0
        do {
            try self.init(header, &reader, wantsRecursion: wantsRecursion)
        } catch is Forbidden {
            throw .forbidden(id: header.id, opcode: header.opcode, wantsRecursion: wantsRecursion)
        } catch {
            throw .unreadable
        }
    }

    /// What can be read, and must not be sent.
    private struct Forbidden: Error {}

    private init(_ header: Header, _ reader: inout MessageReader, wantsRecursion: Bool) throws {
        id = header.id
        opcode = header.opcode == 0 ? .query : .other(header.opcode)
        self.wantsRecursion = wantsRecursion
        disablesChecking = header.flags & Header.Flags.checkingDisabled != 0
        wantsAuthenticData = header.flags & Header.Flags.authenticData != 0
        guard header.questions == 1 else { throw Forbidden() }
        let name = try reader.name()
        question = Question(name, RecordType(rawValue: try reader.uint16()), recordClass: try reader.uint16())
        let end = reader.offset
        questionBytes = Array(reader.bytes[Header.size..<end])
        // Nothing comes before a question that a name in it could point at.
        guard questionBytes.count == name.wire.count + 4 else { throw MessageReader.Overrun() }
        for _ in 0..<(header.answers + header.authorities) { try reader.skipRecord() }
        for _ in 0..<header.additionals {
            let extensions = try Extensions(&reader)
            // Two of them are an error (RFC 6891 6.1.1).
            if extensions != nil, self.extensions != nil { throw Forbidden() }
            self.extensions = extensions ?? self.extensions
        }
    }
}

extension Query.Extensions {
    /// Reads a record; nil if it is another one.
    fileprivate init?(_ reader: inout MessageReader) throws(MessageReader.Overrun) {
        let isRoot = reader.offset < reader.bytes.count && reader.bytes[reader.offset] == 0
        try reader.skipName()
        let type = RecordType(rawValue: try reader.uint16())
        let payloadSize = try reader.uint16()
        let flags = try reader.uint32()
        let length = Int(try reader.uint16())
        try reader.skip(length)
        guard type == .opt else { return nil }
        guard isRoot else { throw MessageReader.Overrun() }
        self.payloadSize = payloadSize
        version = UInt8(truncatingIfNeeded: flags >> 16)
        wantsSignatures = flags & 0x8000 != 0
        hasOptions = length > 0
    }
}

extension MessageReader {
    mutating func skipRecord() throws(Overrun) {
        try skipName()
        try skip(8)
        try skip(Int(try uint16()))
    }
}
