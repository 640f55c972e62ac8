extension IPAddress: LosslessStringConvertible {
    /// Reads a dotted quad or an IPv6 address; nil for everything else.
    ///
    /// Refused: octets with leading zeros (some read them as octal), short forms (`10.1`), zone ids (`fe80::1%eth0`),
    /// brackets, prefixes and white space.
    package init?(_ text: String) {
        let parsed = text.utf8.withContiguousStorageIfAvailable { IPAddress(ascii: $0[...]) }
        guard let address = parsed ?? Self.copying(text.utf8) else { return nil }
        self = address
    }

    /// Reads an address out of a longer text, without copying it.
    package init?(_ text: Substring) {
        let parsed = text.utf8.withContiguousStorageIfAvailable { IPAddress(ascii: $0[...]) }
        guard let address = parsed ?? Self.copying(text.utf8) else { return nil }
        self = address
    }

    private static func copying(_ text: some Sequence<UInt8>, isLenient: Bool = false) -> IPAddress? {
        Array(text).withUnsafeBufferPointer { IPAddress(ascii: $0[...], isLenient: isLenient) }
    }

    /// Reads what an object of the Kubernetes API may hold: API servers before 1.36 accept IPv4 octets with leading
    /// zeros, which are decimal (spec 58).
    package static func lenient(_ text: String) -> IPAddress? {
        let parsed = text.utf8.withContiguousStorageIfAvailable { IPAddress(ascii: $0[...], isLenient: true) }
        return parsed ?? copying(text.utf8, isLenient: true)
    }

    init?(ascii: Slice<UnsafeBufferPointer<UInt8>>, isLenient: Bool = false) {
        if let value = UInt32(dottedQuad: ascii, allowsLeadingZeros: isLenient) {
            self.init(v4: value)
        } else if let value = UInt128(colonHex: ascii, allowsLeadingZeros: isLenient) {
            self.init(v6: UInt64(truncatingIfNeeded: value >> 64), UInt64(truncatingIfNeeded: value))
            if let mapped = v4Mapped { self = mapped }
        } else {
            return nil
        }
    }

    /// The IPv4 address in `::ffff:a.b.c.d`.
    var v4Mapped: IPAddress? {
        guard family == .v6, high == 0, low >> 32 == 0xffff else { return nil }
        return IPAddress(v4: UInt32(truncatingIfNeeded: low))
    }

    /// A dotted quad, or IPv6 as RFC 5952 wants it: lower case, no leading zeros, the longest run of zeros as `::`.
    package var description: String {
        String(unsafeUninitializedCapacity: Self.longestText) { buffer in
            var text = ASCIIWriter(buffer: buffer)
            switch family {
            case .v4:
                text.append(dottedQuad: UInt32(truncatingIfNeeded: low))
            case .v6 where v4Mapped != nil:
                for character in "::ffff:".utf8 { text.append(character) }
                text.append(dottedQuad: UInt32(truncatingIfNeeded: low))
            case .v6:
                text.append(colonHex: self)
            }
            return text.count
        }
    }

    /// Eight groups of four digits and seven colons.
    private static let longestText = 39

    /// One of IPv6's eight groups of 16 bits.
    func group(_ index: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> (48 - 16 * (index & 3)))
    }

    /// The first of the longest runs of two and more zero groups.
    var longestZeroRun: Range<Int> {
        var longest = 0..<0
        var start = 0
        for index in 0..<8 {
            if group(index) != 0 {
                start = index + 1
            } else if index + 1 - start > max(longest.count, 1) {
                longest = start..<(index + 1)
            }
        }
        return longest
    }
}

private enum ASCII {
    static let zero = UInt8(ascii: "0")
    static let dot = UInt8(ascii: ".")
    static let colon = UInt8(ascii: ":")

    static func hexDigit(_ character: UInt8) -> UInt8? {
        switch character {
        case zero...UInt8(ascii: "9"): character - zero
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension UInt32 {
    /// Four decimal octets, each without leading zeros unless they are allowed.
    fileprivate init?(dottedQuad ascii: Slice<UnsafeBufferPointer<UInt8>>, allowsLeadingZeros: Bool) {
        var value: UInt32 = 0
        var octet: UInt32 = 0
        var digits = 0
        var octets = 0
        for character in ascii {
            if character == ASCII.dot {
                guard digits > 0, octets < 3 else { return nil }
                value = value << 8 | octet
                octets += 1
                (octet, digits) = (0, 0)
            } else {
                let digit = character &- ASCII.zero
                guard digit <= 9, digits == 0 || octet > 0 || allowsLeadingZeros else { return nil }
                octet = octet * 10 + UInt32(digit)
                digits += 1
                guard octet <= 255 else { return nil }
            }
        }
        guard octets == 3, digits > 0 else { return nil }
        self = value << 8 | octet
    }
}

extension UInt128 {
    /// IPv6: groups of one to four hex digits, at most one `::`, and perhaps a dotted quad in place of the last two.
    fileprivate init?(colonHex ascii: Slice<UnsafeBufferPointer<UInt8>>, allowsLeadingZeros: Bool) {
        var rest = ascii
        var value: UInt128 = 0
        var groups = 0
        var gap: Int?
        if rest.starts(with: [ASCII.colon, ASCII.colon]) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            if groups <= 6, let quad = UInt32(dottedQuad: rest, allowsLeadingZeros: allowsLeadingZeros) {
                value = value << 32 | UInt128(quad)
                groups += 2
                break
            }
            guard groups < 8, let group = UInt16(leadingHexOf: &rest) else { return nil }
            value = value << 16 | UInt128(group)
            groups += 1
            if rest.isEmpty { break }
            guard rest.removeFirst() == ASCII.colon, let next = rest.first else { return nil }
            if next == ASCII.colon {
                guard gap == nil else { return nil }
                gap = groups
                rest = rest.dropFirst()
            }
        }
        guard let gap else {
            guard groups == 8 else { return nil }
            self = value
            return
        }
        // "::" stands for one group at least.
        guard groups < 8 else { return nil }
        let tail = 16 * (groups - gap)
        self = (value >> tail) << (128 - 16 * gap) | (value & ((1 << tail) - 1))
    }
}

extension UInt16 {
    /// Takes one to four hex digits off the front.
    fileprivate init?(leadingHexOf rest: inout Slice<UnsafeBufferPointer<UInt8>>) {
        var value: UInt16 = 0
        var digits = 0
        while let digit = rest.first.flatMap(ASCII.hexDigit) {
            guard digits < 4 else { return nil }
            value = value << 4 | UInt16(digit)
            digits += 1
            rest = rest.dropFirst()
        }
        guard digits > 0 else { return nil }
        self = value
    }
}

/// Writes into the memory of a string that is being made.
private struct ASCIIWriter {
    let buffer: UnsafeMutableBufferPointer<UInt8>
    private(set) var count = 0

    init(buffer: UnsafeMutableBufferPointer<UInt8>) { self.buffer = buffer }

    mutating func append(_ character: UInt8) {
        buffer[count] = character
        count += 1
    }

    mutating func append(dottedQuad value: UInt32) {
        for shift in stride(from: 24, through: 0, by: -8) {
            let octet = UInt8(truncatingIfNeeded: value >> shift)
            if octet >= 100 { append(ASCII.zero + octet / 100) }
            if octet >= 10 { append(ASCII.zero + octet / 10 % 10) }
            append(ASCII.zero + octet % 10)
            if shift > 0 { append(ASCII.dot) }
        }
    }

    mutating func append(colonHex address: IPAddress) {
        let gap = address.longestZeroRun
        var index = 0
        while index < 8 {
            if !gap.isEmpty, index == gap.lowerBound {
                append(ASCII.colon)
                append(ASCII.colon)
                index = gap.upperBound
                continue
            }
            if index > 0, index != gap.upperBound || gap.isEmpty { append(ASCII.colon) }
            append(hex: address.group(index))
            index += 1
        }
    }

    private mutating func append(hex value: UInt16) {
        var shift = value == 0 ? 0 : (15 - value.leadingZeroBitCount) & ~3
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: value >> UInt16(shift)) & 0xf
            append(digit < 10 ? ASCII.zero + digit : UInt8(ascii: "a") + digit - 10)
            shift -= 4
        }
    }
}
