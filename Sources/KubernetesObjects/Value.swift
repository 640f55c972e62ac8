/// What stands at one place of a document, whether it was written as YAML or as JSON.
///
/// A scalar without quotes keeps its text: only the field that is read knows whether `80` is a number or a name.
package enum Value {
    case null
    /// Without quotes: a number, a boolean, or in YAML also text.
    case plain(String)
    case quoted(String)
    case list
    case map

    package var isNull: Bool {
        if case .null = self { true } else { false }
    }

    /// For messages: what stands there.
    package var shown: String {
        switch self {
        case .null: "null"
        case .plain(let text): text
        case .quoted(let text): "\"\(text)\""
        case .list: "a list"
        case .map: "a map"
        }
    }

    package var kindWord: String {
        switch self {
        case .null: "empty"
        case .plain, .quoted: "a text"
        case .list: "a list"
        case .map: "a map"
        }
    }
}

extension Document {
    /// The value at an index.
    package func value(at index: Int) -> Value {
        switch nodes[index].kind {
        case .null: .null
        case .plain: .plain(text(at: index))
        case .quoted, .key, .mergeKey: .quoted(text(at: index))
        case .list: .list
        case .map: .map
        case .alias: value(at: resolved(index))
        }
    }
}
