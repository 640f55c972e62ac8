/// Reads one JSON text, strictly as RFC 8259 has it, and builds only what is asked for.
///
/// A number keeps its text, and a text is checked to be UTF-8. What is passed over is checked all the same, but nothing
/// is made of it. The bytes must outlive the reader.
package struct JSONReader {
    /// Which members of an object are built.
    package enum Selection: Sendable {
        /// All of them; a key that appears twice is a mistake, as it is in YAML.
        case everything
        /// Those whose key is a `FieldName`. Of two members with one key the first counts.
        case known
        /// All, in a map whose keys anybody may choose, such as `labels`. Of two members with one key the last counts.
        case free
    }

    /// Far more than an object needs, and far less than a thread's stack has room for.
    static let deepest = 512

    let bytes: UnsafeRawBufferPointer
    var position = 0
    /// How many lists and maps the reader is inside of.
    var depth = 0

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The value that is a whole text.
    package static func value(
        _ bytes: UnsafeRawBufferPointer, _ selection: Selection = .everything
    ) throws(SyntaxError) -> Value {
        var reader = JSONReader(bytes)
        let value = try reader.value(selection)
        try reader.end()
        return value
    }

    package static func value(_ bytes: [UInt8], _ selection: Selection = .everything) throws(SyntaxError) -> Value {
        try bytes.borrowed { bytes throws(SyntaxError) in try value(bytes, selection) }
    }

    /// The next value.
    package mutating func value(_ selection: Selection) throws(SyntaxError) -> Value {
        switch try next() {
        case UInt8(ascii: "\""): return .quoted(text(try string()))
        case UInt8(ascii: "{"): return .map(try members(selection))
        case UInt8(ascii: "["): return .list(try elements(selection))
        case UInt8(ascii: "t"): return try word("true", .plain("true"))
        case UInt8(ascii: "f"): return try word("false", .plain("false"))
        case UInt8(ascii: "n"): return try word("null", .null)
        default:
            let start = position
            try skipNumber()
            return .plain(String(decoding: bytes[start..<position], as: UTF8.self))
        }
    }

    private mutating func word(_ word: StaticString, _ value: Value) throws(SyntaxError) -> Value {
        try skipWord(word)
        return value
    }

    private mutating func elements(_ selection: Selection) throws(SyntaxError) -> [Value] {
        var values: [Value] = []
        try beginList()
        while try hasElement(isFirst: values.isEmpty) { values.append(try value(selection)) }
        return values
    }

    private mutating func members(_ selection: Selection) throws(SyntaxError) -> [Value.Member] {
        var members: [Value.Member] = []
        var known = KnownKeys()
        var isFirst = true
        try beginMap()
        while let key = try nextKey(isFirst: isFirst) {
            isFirst = false
            switch selection {
            case .everything, .free:
                let name = text(key)
                if case .free = selection, name == FieldName.lastApplied {
                    try skip()
                    continue
                }
                if case .everything = selection, !known.insert(name, after: members) {
                    throw mistake("the key \(name) appears twice", at: key.start)
                }
                members.append(Value.Member(key: name, value: try value(selection)))
            case .known:
                guard let name = fieldName(key) else {
                    try skip()
                    continue
                }
                members.append(
                    Value.Member(key: name.rawValue, value: try value(name.hasFreeKeys ? .free : .known)))
            }
        }
        return members
    }
}

/// The keys of one map, to notice one that appears twice. Few are compared one by one.
private struct KnownKeys {
    private var keys: Set<String> = []

    /// False if the key is among the members already.
    mutating func insert(_ key: String, after members: [Value.Member]) -> Bool {
        if members.count < 16 { return !members.contains { $0.key == key } }
        if keys.isEmpty { keys = Set(members.map(\.key)) }
        return keys.insert(key).inserted
    }
}

/// Texts.
extension JSONReader {
    /// Where a text stands, without its quotes.
    struct Span {
        var start: Int
        var end: Int
        var hasEscapes: Bool
    }

    /// What a checked span says.
    func text(_ span: Span) -> String {
        let content = UnsafeRawBufferPointer(rebasing: bytes[span.start..<span.end])
        if span.hasEscapes { return unescaped(content) }
        return String(decoding: content, as: UTF8.self)
    }

    func fieldName(_ key: Span) -> FieldName? {
        let content = UnsafeRawBufferPointer(rebasing: bytes[key.start..<key.end])
        if key.hasEscapes { return FieldName(rawValue: unescaped(content)) }
        return FieldName(content)
    }
}

extension Array where Element == UInt8 {
    /// The bytes as a pointer, for as long as the closure runs; the library's own does not pass typed errors on.
    func borrowed<Output>(
        _ body: (UnsafeRawBufferPointer) throws(SyntaxError) -> Output
    ) throws(SyntaxError) -> Output {
        try withUnsafeBytes { bytes in Result { () throws(SyntaxError) in try body(bytes) } }.get()
    }
}
