/// A piece of an object, whether it was written as YAML or as JSON.
///
/// A scalar without quotes keeps its text: only the field that is read knows whether `80` is a number or a name.
package enum Value {
    case null
    /// Without quotes: a number, a boolean, or in YAML also text.
    case plain(String)
    case quoted(String)
    case list([Value])
    case map([Member])

    package struct Member {
        package var key: String
        package var value: Value

        package init(key: String, value: Value) {
            self.key = key
            self.value = value
        }
    }

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
