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
        /// All, in a map with free keys, such as `labels`. Of two members with one key the last counts.
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
    package static func document(
        _ bytes: UnsafeRawBufferPointer, _ selection: Selection = .everything
    ) throws(SyntaxError) -> Document {
        var reader = JSONReader(bytes)
        let document = try reader.document(selection)
        try reader.end()
        return document
    }

    package static func document(
        _ bytes: [UInt8], _ selection: Selection = .everything
    ) throws(SyntaxError) -> Document {
        try bytes.borrowed { bytes throws(SyntaxError) in try document(bytes, selection) }
    }

    /// The next value as a document of its own.
    mutating func document(_ selection: Selection) throws(SyntaxError) -> Document {
        var document = Document(capacity: 256)
        try read(selection, into: &document)
        return document
    }

    private mutating func read(_ selection: Selection, into document: inout Document) throws(SyntaxError) {
        switch try next() {
        case UInt8(ascii: "\""):
            let text = try string()
            withBytes(text) { document.append(quoted: $0) }
        case UInt8(ascii: "{"): try readMap(selection, into: &document)
        case UInt8(ascii: "["): try readList(selection, into: &document)
        case UInt8(ascii: "n"):
            try skipWord("null")
            document.appendNull()
        default:
            let start = position
            try skip()
            document.append(plain: UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
        }
    }

    private mutating func readList(_ selection: Selection, into document: inout Document) throws(SyntaxError) {
        let list = document.beginList()
        try beginList()
        while try hasElement(isFirst: document.end == list + 1) { try read(selection, into: &document) }
        document.close(list)
    }

    private mutating func readMap(_ selection: Selection, into document: inout Document) throws(SyntaxError) {
        let map = document.beginMap()
        var keys = DistinctKeys()
        var isFirst = true
        try beginMap()
        while let key = try nextKey(isFirst: isFirst) {
            isFirst = false
            switch selection {
            case .known:
                guard let name = fieldName(key) else {
                    try skip()
                    continue
                }
                document.append(key: name)
                try read(name.hasFreeKeys ? .free : .known, into: &document)
            case .free where isLastApplied(key): try skip()
            case .everything where !keys.insert(text(key)):
                throw mistake("the key \(text(key)) appears twice", at: key.start)
            case .free, .everything:
                withBytes(key) { document.append(key: $0) }
                try read(selection, into: &document)
            }
        }
        document.close(map)
    }
}

/// The keys of one map, to notice one that appears twice.
package struct DistinctKeys {
    private var few: [String] = []
    private var many: Set<String> = []

    package init() {}

    /// False if the key is among them already.
    package mutating func insert(_ key: String) -> Bool {
        if few.count < 16 {
            if few.contains(key) { return false }
            few.append(key)
            return true
        }
        if many.isEmpty { many = Set(few) }
        return many.insert(key).inserted
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
    func text(_ span: Span) -> String { withBytes(span) { String(decoding: $0, as: UTF8.self) } }

    func fieldName(_ key: Span) -> FieldName? { withBytes(key) { FieldName($0) } }

    private func isLastApplied(_ key: Span) -> Bool {
        key.end - key.start >= FieldName.lastApplied.utf8.count && text(key) == FieldName.lastApplied
    }

    private func withBytes<Output>(_ span: Span, _ body: (UnsafeRawBufferPointer) -> Output) -> Output {
        let content = UnsafeRawBufferPointer(rebasing: bytes[span.start..<span.end])
        return span.hasEscapes ? unescaped(content).withUnsafeBytes(body) : body(content)
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
