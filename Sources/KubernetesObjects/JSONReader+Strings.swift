/// Strings: where they end, whether they are what RFC 8259 allows, and what their escapes stand for.
extension JSONReader {
    /// Passes over a string, checks it, and says where it stands.
    mutating func string() throws(SyntaxError) -> Span {
        let opening = position
        position += 1
        var span = Span(start: position, end: position, hasEscapes: false)
        while true {
            skipOrdinary()
            guard position < bytes.count else { throw mistake("the string is not closed", at: opening) }
            switch bytes[position] {
            case UInt8(ascii: "\""):
                span.end = position
                position += 1
                return span
            case UInt8(ascii: "\\"):
                span.hasEscapes = true
                try skipEscape()
            case 0..<0x20: throw mistake("a control character is not escaped", at: position)
            case 0x80...: try skipSequence()
            default: position += 1
            }
        }
    }

    private mutating func skipOrdinary() { position = bytes.endOfOrdinary(from: position) }

    private mutating func skipEscape() throws(SyntaxError) {
        guard position + 1 < bytes.count else { throw mistake("the string is not closed", at: position) }
        switch bytes[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        case UInt8(ascii: "u"): try skipUnicodeEscape()
        default: throw mistake("invalid escape; expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u", at: position)
        }
    }

    /// `\u0041`, or the two of a surrogate pair.
    private mutating func skipUnicodeEscape() throws(SyntaxError) {
        let start = position
        guard let unit = codeUnit(at: start) else { throw mistake("\\u needs four hexadecimal digits", at: start) }
        position += 6
        if UTF16.isTrailSurrogate(unit) { throw mistake("half of a surrogate pair stands alone", at: start) }
        guard UTF16.isLeadSurrogate(unit) else { return }
        guard let trail = codeUnit(at: position), UTF16.isTrailSurrogate(trail) else {
            throw mistake("half of a surrogate pair stands alone", at: start)
        }
        position += 6
    }

    /// The code unit that an escape such as `\u0041` stands for.
    private func codeUnit(at place: Int) -> UInt16? { Self.codeUnit(bytes, at: place) }

    private static func codeUnit(_ bytes: UnsafeRawBufferPointer, at place: Int) -> UInt16? {
        guard place + 6 <= bytes.count, bytes[place] == UInt8(ascii: "\\"), bytes[place + 1] == UInt8(ascii: "u")
        else { return nil }
        var unit: UInt16 = 0
        for byte in bytes[(place + 2)..<(place + 6)] {
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }

    /// Passes over one character of several bytes.
    private mutating func skipSequence() throws(SyntaxError) {
        let rest = bytes[position..<min(position + 4, bytes.count)]
        var iterator = rest.makeIterator()
        var decoder = UTF8()
        guard case .scalarValue(let scalar) = decoder.decode(&iterator) else {
            throw mistake("a byte is not UTF-8", at: position)
        }
        position += UTF8.width(scalar)
    }

    /// What a checked string with escapes says.
    func unescaped(_ content: UnsafeRawBufferPointer) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(content.count)
        var place = 0
        while place < content.count {
            guard content[place] == UInt8(ascii: "\\") else {
                result.append(content[place])
                place += 1
                continue
            }
            if let unit = Self.codeUnit(content, at: place) {
                place += 6
                var units = [unit]
                if UTF16.isLeadSurrogate(unit), let trail = Self.codeUnit(content, at: place) {
                    units.append(trail)
                    place += 6
                }
                result += String(decoding: units, as: UTF16.self).utf8
            } else {
                result.append(Self.escaped(content[place + 1]))
                place += 2
            }
        }
        return result
    }

    private static func escaped(_ letter: UInt8) -> UInt8 {
        switch letter {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: letter
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Passes over printable ASCII that is no quote and no backslash, eight bytes at a time: the last seven bytes are not
    /// looked at.
    func endOfOrdinary(from start: Int) -> Int {
        var position = start
        while position + 8 <= count {
            let word = loadUnaligned(fromByteOffset: position, as: UInt64.self).littleEndian
            let special = Self.special(word)
            guard special == 0 else { return position + special.trailingZeroBitCount / 8 }
            position += 8
        }
        return position
    }

    /// The high bit of each byte that is no printable ASCII, a quote or a backslash; bits above the lowest may be wrong.
    private static func special(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5C)
        let isControl = (word &- ones &* 0x20) & ~word
        let isQuote = (quote &- ones) & ~quote
        let isBackslash = (backslash &- ones) & ~backslash
        return (word | isControl | isQuote | isBackslash) & highs
    }
}
