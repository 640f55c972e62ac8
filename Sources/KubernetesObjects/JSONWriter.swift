import SystemCalls

/// Writes JSON without white space into a buffer.
///
/// What it writes is YAML too.
package struct JSONWriter {
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    package init() {}

    /// Begins anew and keeps the memory.
    package mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    package mutating func map(_ members: (inout JSONWriter) -> Void) { enclose("{", "}", members) }

    package mutating func list(_ elements: (inout JSONWriter) -> Void) { enclose("[", "]", elements) }

    package mutating func text(_ text: String) {
        separate()
        append(quoted: text)
        needsComma = true
    }

    package mutating func number(_ number: Int) { raw("\(number)") }

    package mutating func flag(_ flag: Bool) { raw(flag ? "true" : "false") }

    /// The next value is that of this key.
    package mutating func key(_ key: String) {
        separate()
        append(quoted: key)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func key(_ key: FieldName) { self.key(key.rawValue) }

    /// Ends a line, after a whole value.
    package mutating func endLine() {
        bytes.append(UInt8(ascii: "\n"))
        needsComma = false
    }

    /// Writes what stands between values, such as YAML's `---`.
    package mutating func mark(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func raw(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
        needsComma = true
    }

    private mutating func enclose(_ open: StaticString, _ close: StaticString, _ body: (inout JSONWriter) -> Void) {
        separate()
        mark(open)
        needsComma = false
        body(&self)
        mark(close)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func append(quoted text: String) { JSONText.append(quoted: text, to: &bytes) }
}

/// Members that are left out where there is nothing to say.
extension JSONWriter {
    mutating func member(_ key: FieldName, _ text: String?) {
        guard let text else { return }
        self.key(key)
        self.text(text)
    }

    mutating func member(_ key: FieldName, _ number: Int?) {
        guard let number else { return }
        self.key(key)
        self.number(number)
    }

    mutating func member(_ key: FieldName, _ flag: Bool) {
        self.key(key)
        self.flag(flag)
    }

    mutating func member(_ key: FieldName, texts: [String]) {
        if texts.isEmpty { return }
        list(key) { list in for text in texts { list.text(text) } }
    }

    /// Sorted, so that the same map is the same text.
    mutating func member(_ key: FieldName, map: [String: String]) {
        if map.isEmpty { return }
        self.map(key) { json in
            for (key, value) in map.sorted(by: { $0.key < $1.key }) {
                json.key(key)
                json.text(value)
            }
        }
    }

    mutating func list(_ key: FieldName, _ elements: (inout JSONWriter) -> Void) {
        self.key(key)
        list(elements)
    }

    mutating func map(_ key: FieldName, _ members: (inout JSONWriter) -> Void) {
        self.key(key)
        map(members)
    }
}
