/// A request as it arrived.
package struct RecordedRequest: Sendable, Hashable {
    package var method: String
    package var path: String
    package var query: [String: String] = [:]
    package var authorization: String?
    /// The serial number of the client's certificate, in hexadecimal.
    package var certificate: String?
    package var body: [UInt8] = []

    var pattern: RequestPattern {
        RequestPattern(verb, resource)
    }

    package var resource: String { String(path.split(separator: "/").last ?? "") }

    /// Nil of a list of all namespaces, and of what is in none.
    var namespace: String? {
        let parts = path.split(separator: "/").map(String.init)
        guard parts.count >= 3, parts[parts.count - 3] == "namespaces" else { return nil }
        return parts[parts.count - 2]
    }

    package var verb: RequestPattern.Verb {
        if method == "POST" { return .create }
        if query["watch"] == "true" { return .watch }
        return query["continue"] == nil ? .list : .page
    }

    init(method: String, uri: String) {
        self.method = method
        let parts = uri.split(separator: "?", maxSplits: 1)
        path = String(parts.first ?? "")
        guard parts.count > 1 else { return }
        for pair in parts[1].split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1)
            query[String(sides[0])] = sides.count > 1 ? decoded(sides[1]) : ""
        }
    }
}

private func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
            bytes.append(value)
            rest = rest.dropFirst(2)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
