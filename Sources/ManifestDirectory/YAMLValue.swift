import KubernetesObjects
import CLibyaml

/// Reads the documents of one YAML stream into values, straight from libyaml's events.
struct YAMLStream: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var event = yaml_event_t()
    private var anchors: [String: Value] = [:]
    /// How many values the reader is inside of.
    private var depth = 0
    /// Far more than a manifest needs, and far less than a thread's stack has room for.
    private static let deepest = 512

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
    mutating func nextDocument() throws(SyntaxError) -> Value? {
        while true {
            switch try advance() {
            case YAML_STREAM_END_EVENT: return nil
            case YAML_DOCUMENT_START_EVENT:
                anchors = [:]
                depth = 0
                let kind = try advance()
                return try value(kind)
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

    private mutating func value(_ kind: yaml_event_type_t) throws(SyntaxError) -> Value {
        guard depth < Self.deepest else { throw here("the nesting is too deep") }
        depth += 1
        defer { depth -= 1 }
        switch kind {
        case YAML_SCALAR_EVENT: return scalar()
        case YAML_SEQUENCE_START_EVENT: return try list()
        case YAML_MAPPING_START_EVENT: return try map()
        case YAML_ALIAS_EVENT:
            let name = string(event.data.alias.anchor)
            guard let known = anchors[name] else { throw here("the alias *\(name) has no anchor") }
            return known
        default: throw here("a value is missing")
        }
    }

    private mutating func scalar() -> Value {
        let scalar = event.data.scalar
        let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        var result = Value.quoted(text)
        if scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.tag == nil {
            result = ["", "~", "null", "Null", "NULL"].contains(text) ? .null : .plain(text)
        }
        if scalar.anchor != nil { anchors[string(scalar.anchor)] = result }
        return result
    }

    private mutating func list() throws(SyntaxError) -> Value {
        let anchor = event.data.sequence_start.anchor.map { string($0) }
        var values: [Value] = []
        while true {
            let kind = try advance()
            if kind == YAML_SEQUENCE_END_EVENT { break }
            values.append(try value(kind))
        }
        if let anchor { anchors[anchor] = .list(values) }
        return .list(values)
    }

    private mutating func map() throws(SyntaxError) -> Value {
        let anchor = event.data.mapping_start.anchor.map { string($0) }
        var members: [Value.Member] = []
        var merged: [Value] = []
        while true {
            let kind = try advance()
            if kind == YAML_MAPPING_END_EVENT { break }
            let key = try key(kind)
            guard !members.contains(where: { $0.key == key }) else { throw here("the key \(key) appears twice") }
            let content = try value(try advance())
            if key == "<<" { merged.append(content) } else { members.append(.init(key: key, value: content)) }
        }
        for source in merged { Self.merge(source, into: &members) }
        if let anchor { anchors[anchor] = .map(members) }
        return .map(members)
    }

    private mutating func key(_ kind: yaml_event_type_t) throws(SyntaxError) -> String {
        switch try value(kind) {
        case .plain(let text), .quoted(let text): return text
        case .null: return "null"
        default: throw here("a key must be text")
        }
    }

    /// YAML's merge key: what is written in the map itself wins.
    private static func merge(_ source: Value, into members: inout [Value.Member]) {
        switch source {
        case .list(let sources): for source in sources { merge(source, into: &members) }
        case .map(let others):
            for other in others where !members.contains(where: { $0.key == other.key }) { members.append(other) }
        default: break
        }
    }

    private func string(_ text: UnsafePointer<UInt8>?) -> String {
        text.map { String(cString: $0) } ?? ""
    }

    private func string(_ text: UnsafeMutablePointer<UInt8>?) -> String {
        string(text.map { UnsafePointer($0) })
    }
}
