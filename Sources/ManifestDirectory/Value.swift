/// A piece of a manifest, whether it was written as YAML or as JSON.
///
/// A scalar without quotes keeps its text: only the field that is read knows whether `80` is a number or a name.
enum Value {
    case null
    /// Without quotes: a number, a boolean, or in YAML also text.
    case plain(String)
    case quoted(String)
    case list([Value])
    case map([Member])

    struct Member {
        var key: String
        var value: Value
    }

    var isNull: Bool {
        if case .null = self { true } else { false }
    }

    /// For messages: what stands there.
    var shown: String {
        switch self {
        case .null: "null"
        case .plain(let text): text
        case .quoted(let text): "\"\(text)\""
        case .list: "a list"
        case .map: "a map"
        }
    }

    var kindWord: String {
        switch self {
        case .null: "empty"
        case .plain, .quoted: "a text"
        case .list: "a list"
        case .map: "a map"
        }
    }
}

/// Why a text is no YAML or JSON.
struct SyntaxError: Error, Hashable {
    var line: Int?
    var cause: String

    var text: String { line.map { "line \($0): \(cause)" } ?? cause }
}
