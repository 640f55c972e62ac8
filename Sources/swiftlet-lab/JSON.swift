import Glibc
import SystemCalls
import SystemPackage

/// A JSON value whose objects keep the order in which they were written.
enum JSON {
    case string(String)
    case integer(Int)
    case array([JSON])
    case object([(String, JSON)])
    case null

    static func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }

    /// Counts by name, sorted by name.
    static func counts(_ counts: [String: Int]) -> JSON {
        .object(counts.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) })
    }

    var text: String {
        switch self {
        case .string(let text): JSONText.string(text)
        case .integer(let number): String(number)
        case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
        case .object(let fields):
            "{" + fields.map { JSONText.string($0.0) + ":" + $0.1.text }.joined(separator: ",") + "}"
        case .null: "null"
        }
    }
}

enum Output {
    /// Writes one line to standard output at once: the reader of the pipe waits for it.
    static func line(_ text: String) {
        try? FileDescriptor.standardOutput.write(all: Array((text + "\n").utf8))
    }
}
