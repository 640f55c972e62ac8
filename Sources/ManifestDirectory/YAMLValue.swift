import KubernetesObjects
import CLibyaml

/// Reads the documents of one YAML stream into values, straight from libyaml's events.
struct YAMLStream: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var event = yaml_event_t()
    private var document = Document()
    /// Where the values with an anchor stand.
    private var anchors: [String: Int] = [:]
    /// How many values the reader is inside of.
    private var depth = 0
    /// Far more than a manifest needs, and far less than a thread's stack has room for.
    private static let deepest = 512
    /// What stands for nothing, without quotes.
    private static let nulls = ["", "~", "null", "Null", "NULL"]

    /// `bytes` must outlive the stream.
    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        parser = .allocate(capacity: 1)
        yaml_parser_initialize(parser)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// The next document, nil at the end of the text.
    mutating func nextDocument() throws(SyntaxError) -> Document? {
        while true {
            switch try advance() {
            case YAML_STREAM_END_EVENT: return nil
            case YAML_DOCUMENT_START_EVENT:
                anchors = [:]
                depth = 0
                document = Document()
                try read(try advance())
                return document
            default: continue
            }
        }
    }

    /// Moves on to the next event and gives its type; what the event owns is freed by `release`.
    private mutating func advance() throws(SyntaxError) -> yaml_event_type_t {
        release()
        guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
        return event.type
    }

    private mutating func release() {
        yaml_event_delete(&event)
    }

    private func syntaxError() -> SyntaxError {
        let cause = parser.pointee.problem.map { String(cString: $0) } ?? "not YAML"
        return SyntaxError(line: Int(parser.pointee.problem_mark.line) + 1, cause: cause)
    }

    private func here(_ cause: String) -> SyntaxError {
        SyntaxError(line: Int(event.start_mark.line) + 1, cause: cause)
    }

    private mutating func read(_ kind: yaml_event_type_t) throws(SyntaxError) {
        guard depth < Self.deepest else { throw here("the nesting is too deep") }
        depth += 1
        defer { depth -= 1 }
        switch kind {
        case YAML_SCALAR_EVENT: readScalar()
        case YAML_SEQUENCE_START_EVENT: try readList()
        case YAML_MAPPING_START_EVENT: try readMap()
        case YAML_ALIAS_EVENT: document.append(aliasOf: try anchored())
        default: throw here("a value is missing")
        }
    }

    private mutating func readScalar() {
        let scalar = event.data.scalar
        let text = UnsafeRawBufferPointer(start: scalar.value, count: scalar.length)
        noteAnchor(scalar.anchor)
        if scalar.style != YAML_PLAIN_SCALAR_STYLE || scalar.tag != nil {
            document.append(quoted: text)
        } else if Self.nulls.contains(string(scalar.value)) {
            document.appendNull()
        } else {
            document.append(plain: text)
        }
    }

    private mutating func noteAnchor(_ anchor: UnsafeMutablePointer<UInt8>?) {
        if anchor != nil { anchors[string(anchor)] = document.end }
    }

    private mutating func readList() throws(SyntaxError) {
        let anchor = event.data.sequence_start.anchor.map { string($0) }
        let list = document.beginList()
        while true {
            let kind = try advance()
            if kind == YAML_SEQUENCE_END_EVENT { break }
            try read(kind)
        }
        document.close(list)
        if let anchor { anchors[anchor] = list }
    }

    private mutating func readMap() throws(SyntaxError) {
        let anchor = event.data.mapping_start.anchor.map { string($0) }
        let map = document.beginMap()
        var keys = DistinctKeys()
        var merged: [Int] = []
        while true {
            let kind = try advance()
            if kind == YAML_MAPPING_END_EVENT { break }
            let place = document.end
            let key = try key(kind)
            if key == "<<" {
                document.hide(place)
                merged.append(place + 1)
            } else if !keys.insert(key) {
                throw here("the key \(key) appears twice")
            }
            try read(try advance())
        }
        for source in merged { merge(source, &keys) }
        document.close(map)
        if let anchor { anchors[anchor] = map }
    }

    private mutating func key(_ kind: yaml_event_type_t) throws(SyntaxError) -> String {
        let text: String
        switch kind {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.tag == nil
            let written = string(scalar.value)
            text = isPlain && Self.nulls.contains(written) ? "null" : written
            noteAnchor(scalar.anchor)
        case YAML_ALIAS_EVENT:
            switch document.value(at: try anchored()) {
            case .plain(let known), .quoted(let known): text = known
            case .null: text = "null"
            case .list, .map: throw here("a key must be text")
            }
        default: throw here("a key must be text")
        }
        append(key: text)
        return text
    }

    private mutating func append(key: String) {
        Array(key.utf8).withUnsafeBytes { document.append(key: $0) }
    }

    /// Where the value stands that an alias names.
    private func anchored() throws(SyntaxError) -> Int {
        let name = string(event.data.alias.anchor)
        guard let known = anchors[name] else { throw here("the alias *\(name) has no anchor") }
        return known
    }

    /// YAML's merge key: what is written in the map itself wins.
    private mutating func merge(_ written: Int, _ keys: inout DistinctKeys) {
        let source = document.resolved(written)
        if document.isList(source) {
            for element in document.elements(of: source) { merge(element, &keys) }
        } else if document.isMap(source) {
            for member in document.members(of: source) {
                let key = document.key(at: member.key)
                guard keys.insert(key) else { continue }
                append(key: key)
                document.append(aliasOf: member.value)
            }
        }
    }

    private func string(_ text: UnsafePointer<UInt8>?) -> String {
        text.map { String(cString: $0) } ?? ""
    }

    private func string(_ text: UnsafeMutablePointer<UInt8>?) -> String {
        string(text.map { UnsafePointer($0) })
    }
}
