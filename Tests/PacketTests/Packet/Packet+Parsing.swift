/// Why bytes are no packet.
struct PacketError: Error, Hashable, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

extension Packet {
    /// Reads a packet and recomputes its checksums; throws where lengths do not fit.
    ///
    /// - Parameter hasEthernet: false for what comes from a device without Ethernet.
    init(_ bytes: [UInt8], hasEthernet: Bool = true) throws(PacketError) {
        var reader = ByteReader(bytes)
        var family: Family?
        if hasEthernet { (ethernet, family) = try Ethernet.read(&reader) }
        let version = try Family(rawValue: Int(reader.peek() >> 4))
        guard let version, version == family ?? version else {
            throw PacketError("the first byte of the IP header is \(try reader.peek())")
        }
        var (header, number, length) = try version == .v4 ? IPHeader.read4(&reader) : IPHeader.read6(&reader)
        var inner = ByteReader(try reader.take(length))
        trailer = reader.rest
        if version == .v6 { number = try header.readExtensions(&inner, first: number) }
        ip = header
        content = try Content(&inner, ip: header, number)
    }

    /// Reads the packet that an ICMP error is about, which may be cut anywhere after its first eight bytes: lengths and
    /// checksums that reach beyond the cut are not looked at.
    init(quoted bytes: [UInt8]) throws(PacketError) {
        var reader = ByteReader(bytes)
        let version = try Family(rawValue: Int(reader.peek() >> 4))
        guard let version else { throw PacketError("the quoted packet begins with \(try reader.peek())") }
        var (header, number, length) = try version == .v4 ? IPHeader.read4(&reader) : IPHeader.read6(&reader)
        var inner = ByteReader(reader.rest)
        if version == .v6 { number = try header.readExtensions(&inner, first: number) }
        ip = header
        if reader.rest.count >= length, header.isWhole {
            content = try Content(&inner, ip: header, number)
        } else {
            content = .bytes(ofProtocol: number, inner.rest)
        }
    }
}

/// Takes bytes off the front.
struct ByteReader {
    private(set) var rest: [UInt8]

    init(_ bytes: [UInt8]) { rest = bytes }

    func peek() throws(PacketError) -> UInt8 {
        guard let first = rest.first else { throw PacketError("the packet is empty") }
        return first
    }

    mutating func take(_ count: Int) throws(PacketError) -> [UInt8] {
        guard count >= 0, rest.count >= count else {
            throw PacketError("\(count) bytes are missing: there are \(rest.count)")
        }
        defer { rest.removeFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func byte() throws(PacketError) -> UInt8 { try take(1)[0] }

    mutating func short() throws(PacketError) -> UInt16 {
        let bytes = try take(2)
        return UInt16(bytes[0]) << 8 | UInt16(bytes[1])
    }

    mutating func long() throws(PacketError) -> UInt32 { try UInt32(short()) << 16 | UInt32(short()) }
}

extension Ethernet {
    fileprivate static func read(_ reader: inout ByteReader) throws(PacketError) -> (Ethernet, Family) {
        var header = Ethernet(destination: try reader.take(6), source: try reader.take(6))
        var type = try reader.short()
        while tagTypes.contains(type) {
            header.tags.append(Tag(type: type, vlan: try reader.short()))
            type = try reader.short()
        }
        guard let family = Family.allCases.first(where: { $0.etherType == type }) else {
            throw PacketError("the frame's type is 0x\(String(type, radix: 16))")
        }
        return (header, family)
    }
}

extension IPHeader {
    /// A header with its protocol and how many bytes come after it.
    private typealias Read = (IPHeader, number: UInt8, length: Int)

    fileprivate static func read4(_ reader: inout ByteReader) throws(PacketError) -> (IPHeader, UInt8, Int) {
        let length = Int(try reader.peek() & 0x0f) * 4
        guard length >= 20 else { throw PacketError("the IPv4 header has \(length) bytes") }
        let bytes = try reader.take(length)
        var fields = ByteReader(bytes)
        _ = try fields.byte()
        var header = IPHeader(source: [0, 0, 0, 0], destination: [0, 0, 0, 0])
        header.trafficClass = try fields.byte()
        let total = Int(try fields.short())
        guard total >= length else { throw PacketError("the IPv4 packet has \(total) bytes, its header \(length)") }
        header.identification = try fields.short()
        let flags = try fields.short()
        header.dontFragment = flags & 0x4000 != 0
        let part = Fragment(offset: Int(flags & 0x1fff) * 8, more: flags & 0x2000 != 0)
        header.fragment = part.isWhole ? nil : part
        header.hops = try fields.byte()
        let number = try fields.byte()
        let stored = try fields.short()
        header.source = try fields.take(4)
        header.destination = try fields.take(4)
        header.options = fields.rest
        header.checksumError = InternetChecksum().error(in: bytes, stored, at: 10)
        return (header, number, total - length)
    }

    fileprivate static func read6(_ reader: inout ByteReader) throws(PacketError) -> (IPHeader, UInt8, Int) {
        let first = try reader.long()
        let length = Int(try reader.short())
        let number = try reader.byte()
        let hops = try reader.byte()
        var header = IPHeader(source: try reader.take(16), destination: try reader.take(16), hops: hops)
        header.trafficClass = UInt8(first >> 20 & 0xff)
        header.flowLabel = first & 0xfffff
        return (header, number, length)
    }

    /// Takes extension headers off; returns the number of what follows them.
    fileprivate mutating func readExtensions(
        _ reader: inout ByteReader, first: UInt8
    ) throws(PacketError) -> UInt8 {
        var number = first
        while Extension.numbers.contains(number) {
            let next = try reader.byte()
            let words = Int(try reader.byte())
            extensions.append(Extension(number: number, body: try reader.take(6 + 8 * words)))
            number = next
        }
        guard number == ProtocolNumber.fragment else { return number }
        let next = try reader.byte()
        let reserved = try reader.byte()
        guard reserved == 0 else { throw PacketError("the fragment header's reserved byte is \(reserved)") }
        let place = try reader.short()
        fragment = Fragment(offset: Int(place & 0xfff8), more: place & 1 == 1, identification: try reader.long())
        return next
    }
}

extension Packet.Content {
    fileprivate init(_ reader: inout ByteReader, ip: IPHeader, _ number: UInt8) throws(PacketError) {
        guard ip.isWhole else {
            self = .bytes(ofProtocol: number, reader.rest)
            return
        }
        switch number {
        case ProtocolNumber.tcp: self = .tcp(try TCPSegment(&reader, ip))
        case ProtocolNumber.udp: self = .udp(try UDPDatagram(&reader, ip))
        case ProtocolNumber.sctp: self = .sctp(try SCTPPacket(&reader))
        case ip.family.icmpNumber: self = .icmp(try ICMPMessage(&reader, ip))
        default: self = .bytes(ofProtocol: number, reader.rest)
        }
    }
}

extension TCPSegment {
    fileprivate init(_ reader: inout ByteReader, _ ip: IPHeader) throws(PacketError) {
        let bytes = reader.rest
        sourcePort = try reader.short()
        destinationPort = try reader.short()
        sequence = try reader.long()
        acknowledgement = try reader.long()
        let length = Int(try reader.byte() >> 4) * 4
        flags = Flags(rawValue: try reader.byte())
        window = try reader.short()
        let stored = try reader.short()
        urgent = try reader.short()
        guard length >= 20 else { throw PacketError("the TCP header has \(length) bytes") }
        options = try reader.take(length - 20)
        payload = reader.rest
        var start = InternetChecksum()
        start.addPseudoHeader(ip, ProtocolNumber.tcp, length: bytes.count)
        checksumError = start.error(in: bytes, stored, at: 16)
    }
}

extension UDPDatagram {
    fileprivate init(_ reader: inout ByteReader, _ ip: IPHeader) throws(PacketError) {
        let bytes = reader.rest
        sourcePort = try reader.short()
        destinationPort = try reader.short()
        let length = Int(try reader.short())
        guard length == bytes.count else {
            throw PacketError("the UDP header says \(length) bytes, there are \(bytes.count)")
        }
        let stored = try reader.short()
        payload = reader.rest
        hasChecksum = stored != 0
        guard hasChecksum else { return }
        var start = InternetChecksum()
        start.addPseudoHeader(ip, ProtocolNumber.udp, length: bytes.count)
        checksumError = start.error(in: bytes, stored, at: 6)
    }
}

extension SCTPPacket {
    fileprivate init(_ reader: inout ByteReader) throws(PacketError) {
        var bytes = reader.rest
        sourcePort = try reader.short()
        destinationPort = try reader.short()
        verificationTag = try reader.long()
        let stored = try reader.long().byteSwapped
        chunks = reader.rest
        bytes.replaceSubrange(8..<12, with: [0, 0, 0, 0])
        checksumError = stored ^ CRC32C.of(bytes)
    }
}

extension ICMPMessage {
    fileprivate init(_ reader: inout ByteReader, _ ip: IPHeader) throws(PacketError) {
        let bytes = reader.rest
        type = try reader.byte()
        code = try reader.byte()
        let stored = try reader.short()
        rest = try reader.long()
        body = reader.rest
        var start = InternetChecksum()
        if ip.family == .v6 { start.addPseudoHeader(ip, ProtocolNumber.icmp6, length: bytes.count) }
        checksumError = start.error(in: bytes, stored, at: 2)
    }
}
