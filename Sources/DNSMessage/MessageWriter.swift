/// Writes a message, with names that point at earlier ones (RFC 1035 4.1.4).
struct MessageWriter {
    /// Bytes of an OPT record without options.
    static let extensionsSize = 11

    private(set) var bytes: [UInt8]
    var limit = Int.max
    private var counts = [0, 0, 0]
    /// Where a name, or the end of one, was written.
    private var places: [ArraySlice<UInt8>: Int] = [:]
    /// Of these, those of the record that is being written.
    private var added: [ArraySlice<UInt8>] = []
    private let question: DomainName

    init(id: UInt16, flags: UInt16, question query: Query) {
        question = query.question.name
        bytes = []
        bytes.reserveCapacity(128)
        for field in [id, flags, 1, 0, 0, 0] { bytes += [field.high, field.low] }
        bytes += query.questionBytes
    }

    /// - Returns: whether there was room; if not, nothing is written.
    mutating func append(_ record: Record, section: Int) -> Bool {
        let start = bytes.count
        added.removeAll(keepingCapacity: true)
        write(record.name)
        write(record.type.rawValue)
        write(Question.internet)
        write(record.timeToLive)
        let length = bytes.count
        write(UInt16(0))
        write(record.content)
        let size = UInt16(truncatingIfNeeded: bytes.count - length - 2)
        (bytes[length], bytes[length + 1]) = (size.high, size.low)
        guard bytes.count <= limit else {
            bytes.removeLast(bytes.count - start)
            for name in added { places[name] = nil }
            return false
        }
        counts[section] += 1
        return true
    }

    mutating func appendExtensions(_ code: ResponseCode, signatures: Bool) {
        bytes += Self.extensions(code, signatures: signatures)
        counts[2] += 1
    }

    /// An OPT record without options (RFC 6891 6.1.2).
    static func extensions(_ code: ResponseCode, signatures: Bool) -> [UInt8] {
        let (type, size) = (RecordType.opt.rawValue, UInt16(Query.largestResponse))
        return [0, type.high, type.low, size.high, size.low, UInt8(truncatingIfNeeded: code.rawValue >> 4), 0]
            + [signatures ? 0x80 : 0, 0, 0, 0]
    }

    consuming func finished(isTruncated: Bool) -> [UInt8] {
        for (section, count) in counts.enumerated() {
            let count = UInt16(truncatingIfNeeded: count)
            (bytes[6 + 2 * section], bytes[7 + 2 * section]) = (count.high, count.low)
        }
        if isTruncated { bytes[2] |= Header.Flags.truncated.high }
        return bytes
    }

    private mutating func write(_ value: UInt16) {
        bytes.append(value.high)
        bytes.append(value.low)
    }

    private mutating func write(_ value: UInt32) {
        write(UInt16(truncatingIfNeeded: value >> 16))
        write(UInt16(truncatingIfNeeded: value))
    }

    /// The question's own name is the owner of nearly all answers, and costs no look.
    private mutating func write(_ name: DomainName) {
        if name == question, !name.isRoot { return write(0xc000 | UInt16(Header.size)) }
        if places.isEmpty { remember(question.wire, at: Header.size) }
        var rest = name.wire[...]
        let start = bytes.count
        while rest.count > 1 {
            if let place = places[rest] {
                write(0xc000 | UInt16(place))
                return
            }
            let place = start + (rest.startIndex - name.wire.startIndex)
            // A pointer has fourteen bits.
            if place < 0x4000 {
                places[rest] = place
                added.append(rest)
            }
            let length = Int(rest[rest.startIndex]) + 1
            bytes += rest.prefix(length)
            rest = rest.dropFirst(length)
        }
        bytes.append(0)
    }

    private mutating func remember(_ wire: [UInt8], at start: Int) {
        var rest = wire[...]
        while rest.count > 1 {
            places[rest] = start + rest.startIndex
            rest = rest.dropFirst(Int(rest[rest.startIndex]) + 1)
        }
    }

    private mutating func write(_ content: Record.Content) {
        switch content {
        case .address(let address): bytes += address
        case .alias(let name), .pointer(let name), .nameServer(let name): write(name)
        case .service(let priority, let weight, let port, let target):
            write(priority)
            write(weight)
            write(port)
            // Never a pointer (RFC 2782).
            bytes += target.wire
        case .text(let text):
            let text = text.utf8.prefix(255)
            bytes.append(UInt8(text.count))
            bytes += text
        case .authority(let zone):
            write(zone.primary)
            write(zone.mailbox)
            for field in [zone.serial, zone.refresh, zone.retry, zone.expire, zone.minimum] { write(field) }
        }
    }
}
