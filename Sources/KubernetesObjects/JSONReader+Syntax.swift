/// The grammar: every value can be passed over, and every mistake is told with its place.
extension JSONReader {
    /// Nothing but white space may follow.
    package mutating func end() throws(SyntaxError) {
        skipSpace()
        if position < bytes.count { throw mistake("a second value follows the first", at: position) }
    }

    /// Passes over the next value.
    package mutating func skip() throws(SyntaxError) {
        switch try next() {
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "{"):
            var isFirst = true
            try beginMap()
            while try nextKey(isFirst: isFirst) != nil {
                isFirst = false
                try skip()
            }
        case UInt8(ascii: "["):
            var isFirst = true
            try beginList()
            while try hasElement(isFirst: isFirst) {
                isFirst = false
                try skip()
            }
        case UInt8(ascii: "t"): try skipWord("true")
        case UInt8(ascii: "f"): try skipWord("false")
        case UInt8(ascii: "n"): try skipWord("null")
        default: try skipNumber()
        }
    }

    mutating func beginList() throws(SyntaxError) {
        try enter("a list", UInt8(ascii: "["))
    }

    mutating func beginMap() throws(SyntaxError) {
        try enter("an object", UInt8(ascii: "{"))
    }

    private mutating func enter(_ what: StaticString, _ bracket: UInt8) throws(SyntaxError) {
        guard try next() == bracket else { throw mistake("expected \(what)", at: position) }
        guard depth < Self.deepest else { throw mistake("the nesting is too deep", at: position) }
        depth += 1
        position += 1
    }

    /// Moves to the next element of a list; false at its end.
    mutating func hasElement(isFirst: Bool) throws(SyntaxError) -> Bool {
        let byte = try next()
        if byte == UInt8(ascii: "]") {
            leave()
            return false
        }
        if isFirst { return true }
        guard byte == UInt8(ascii: ",") else { throw mistake("expected ',' or ']'", at: position) }
        position += 1
        if try next() == UInt8(ascii: "]") { throw mistake("expected a value after ','", at: position) }
        return true
    }

    /// The key of the next member of an object, with its colon passed over; nil at the object's end.
    mutating func nextKey(isFirst: Bool) throws(SyntaxError) -> Span? {
        var byte = try next()
        if byte == UInt8(ascii: "}") {
            leave()
            return nil
        }
        if !isFirst {
            guard byte == UInt8(ascii: ",") else { throw mistake("expected ',' or '}'", at: position) }
            position += 1
            byte = try next()
            if byte == UInt8(ascii: "}") { throw mistake("expected a key after ','", at: position) }
        }
        guard byte == UInt8(ascii: "\"") else { throw mistake("expected a key in double quotes", at: position) }
        let key = try string()
        guard try next() == UInt8(ascii: ":") else { throw mistake("expected ':' after the key", at: position) }
        position += 1
        return key
    }

    private mutating func leave() {
        depth -= 1
        position += 1
    }

    /// The byte that comes next, white space passed over.
    @inline(__always)
    mutating func next() throws(SyntaxError) -> UInt8 {
        skipSpace()
        guard position < bytes.count else { throw mistake("the text ends too early", at: position) }
        return bytes[position]
    }

    @inline(__always)
    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    mutating func skipWord(_ word: StaticString) throws(SyntaxError) {
        let end = position + word.utf8CodeUnitCount
        let expected = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard end <= bytes.count, bytes[position..<end].elementsEqual(expected) else {
            throw mistake("expected a value", at: position)
        }
        position = end
    }

    mutating func skipNumber() throws(SyntaxError) {
        let start = position
        if peek == UInt8(ascii: "-") { position += 1 }
        guard let first = peek, Self.isDigit(first) else { throw mistake("expected a value", at: start) }
        position += 1
        if first == UInt8(ascii: "0") {
            if let byte = peek, Self.isDigit(byte) { throw mistake("a number begins with 0", at: start) }
        } else {
            skipDigits()
        }
        if peek == UInt8(ascii: ".") {
            position += 1
            try requireDigits("a number ends with '.'", start)
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            position += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
            try requireDigits("a number has no digits in its exponent", start)
        }
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    private mutating func skipDigits() {
        while let byte = peek, Self.isDigit(byte) { position += 1 }
    }

    private mutating func requireDigits(_ cause: String, _ start: Int) throws(SyntaxError) {
        let first = position
        skipDigits()
        if position == first { throw mistake(cause, at: start) }
    }

    /// A mistake at a place, told with its line and its column.
    func mistake(_ cause: String, at place: Int) -> SyntaxError {
        let before = bytes[..<min(place, bytes.count)]
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return SyntaxError(line: line, column: place - start + 1, cause: cause)
    }
}
