/// The Internet checksum (RFC 1071): one's complement of the one's complement sum of 16-bit words.
struct InternetChecksum {
    private var sum: UInt64 = 0

    /// Adds bytes; only the last ones that are added may be odd in number.
    mutating func add(_ bytes: some Sequence<UInt8>) {
        var high: UInt8?
        for byte in bytes {
            if let first = high {
                sum += UInt64(first) << 8 | UInt64(byte)
                high = nil
            } else {
                high = byte
            }
        }
        if let high { sum += UInt64(high) << 8 }
    }

    /// The pseudo header that TCP, UDP and ICMPv6 put before their own.
    mutating func addPseudoHeader(_ ip: IPHeader, _ number: UInt8, length: Int) {
        add(ip.source)
        add(ip.destination)
        sum += UInt64(number) + UInt64(length >> 16) + UInt64(length & 0xffff)
    }

    /// What the field must hold if it was zero in the bytes.
    var value: UInt16 { ~Self.fold(sum) }

    /// What is wrong in a checksum that stands in `bytes` at an offset; 0 is right.
    func error(in bytes: [UInt8], _ stored: UInt16, at offset: Int) -> UInt16 {
        var bytes = bytes
        bytes.store(0, at: offset)
        var checksum = self
        checksum.add(bytes)
        return Self.difference(stored, checksum.value)
    }

    private static func fold(_ sum: UInt64) -> UInt16 {
        var sum = sum
        while sum > 0xffff { sum = (sum >> 16) + (sum & 0xffff) }
        return UInt16(sum)
    }

    /// One's complement sum.
    static func sum(_ left: UInt16, _ right: UInt16) -> UInt16 { fold(UInt64(left) + UInt64(right)) }

    /// What has to be added to `right` to get `left`; 0 if both mean the same, as 0 and 0xffff do.
    static func difference(_ left: UInt16, _ right: UInt16) -> UInt16 {
        let difference = sum(left, ~right)
        return difference == 0xffff ? 0 : difference
    }
}

/// CRC-32C (Castagnoli), which SCTP has instead.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
    }

    static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(UInt32.max) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }
}

extension [UInt8] {
    mutating func append16(_ value: UInt16) { self += [UInt8(value >> 8), UInt8(value & 0xff)] }

    mutating func append32(_ value: UInt32) {
        append16(UInt16(value >> 16))
        append16(UInt16(value & 0xffff))
    }

    /// Writes a 16-bit field in network order.
    mutating func store(_ value: UInt16, at offset: Int) {
        self[offset] = UInt8(value >> 8)
        self[offset + 1] = UInt8(value & 0xff)
    }
}
