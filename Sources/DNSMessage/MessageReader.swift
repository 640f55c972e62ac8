/// Reads a message from its beginning, and never past its end.
struct MessageReader {
    struct Overrun: Error {}

    let bytes: [UInt8]
    private(set) var offset: Int

    init(_ bytes: [UInt8], at offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    var isAtEnd: Bool { offset == bytes.count }

    mutating func byte() throws(Overrun) -> UInt8 {
        guard offset < bytes.count else { throw Overrun() }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func uint16() throws(Overrun) -> UInt16 { try UInt16(byte()) << 8 | UInt16(byte()) }

    mutating func uint32() throws(Overrun) -> UInt32 { try UInt32(uint16()) << 16 | UInt32(uint16()) }

    mutating func skip(_ count: Int) throws(Overrun) {
        guard count <= bytes.count - offset else { throw Overrun() }
        offset += count
    }

    /// A name, which may go on at an earlier place (RFC 1035 4.1.4).
    ///
    /// Each pointer leads further back than the one before, and there are no more of them than a name can have labels, so
    /// that a name costs the same in a message of any length.
    mutating func name() throws(Overrun) -> DomainName {
        var wire: [UInt8] = []
        var place = offset
        var end: Int?
        var limit = offset
        var pointers = 0
        while true {
            guard place < bytes.count else { throw Overrun() }
            let length = Int(bytes[place])
            switch length >> 6 {
            case 0:
                guard place + 1 + length <= bytes.count, wire.count + 1 + length <= DomainName.longest else {
                    throw Overrun()
                }
                wire.append(bytes[place])
                wire.append(contentsOf: bytes[(place + 1)..<(place + 1 + length)].lazy.map(\.loweredASCII))
                place += 1 + length
                guard length > 0 else {
                    offset = end ?? place
                    return DomainName(uncheckedWire: wire)
                }
            case 3:
                guard place + 2 <= bytes.count else { throw Overrun() }
                let target = (length & 0x3f) << 8 | Int(bytes[place + 1])
                pointers += 1
                guard target < limit, pointers < DomainName.mostLabels else { throw Overrun() }
                end = end ?? place + 2
                (place, limit) = (target, target)
            default: throw Overrun()
            }
        }
    }

    /// Steps over a name without following it.
    mutating func skipName() throws(Overrun) {
        while true {
            let length = Int(try byte())
            switch length >> 6 {
            case 0 where length == 0: return
            case 0: try skip(length)
            case 3: return try skip(1)
            default: throw Overrun()
            }
        }
    }
}

/// The twelve bytes that a message begins with (RFC 1035 4.1.1).
struct Header {
    static let size = 12

    var id: UInt16
    var flags: UInt16
    var questions: Int
    var answers: Int
    var authorities: Int
    var additionals: Int

    init(_ reader: inout MessageReader) throws(MessageReader.Overrun) {
        id = try reader.uint16()
        flags = try reader.uint16()
        questions = Int(try reader.uint16())
        answers = Int(try reader.uint16())
        authorities = Int(try reader.uint16())
        additionals = Int(try reader.uint16())
    }

    var isResponse: Bool { flags & Flags.response != 0 }
    var opcode: UInt8 { UInt8(truncatingIfNeeded: flags >> 11 & 0xf) }
    var code: UInt16 { flags & 0xf }

    enum Flags {
        static let response: UInt16 = 0x8000
        static let authoritative: UInt16 = 0x0400
        static let truncated: UInt16 = 0x0200
        static let recursionDesired: UInt16 = 0x0100
        static let recursionAvailable: UInt16 = 0x0080
        static let authenticData: UInt16 = 0x0020
        static let checkingDisabled: UInt16 = 0x0010
    }
}
