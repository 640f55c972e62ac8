import FoundationEssentials

extension Value: Decodable {
    /// The decoder does not tell what comes next: try the kinds, the most frequent ones first.
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let text = try? container.decode(String.self) {
            self = .quoted(text)
        } else if let members = try? container.decode([String: Value].self) {
            self = .map(members.map { Member(key: $0.key, value: $0.value) })
        } else if let flag = try? container.decode(Bool.self) {
            self = .plain(flag ? "true" : "false")
        } else if let number = try? container.decode(Int.self) {
            self = .plain(String(number))
        } else if let values = try? container.decode([Value].self) {
            self = .list(values)
        } else {
            self = .plain(String(try container.decode(Double.self)))
        }
    }
}

/// Reads a JSON text, which is one document.
func readJSON(_ bytes: [UInt8]) -> Result<Value, SyntaxError> {
    do {
        return .success(try JSONDecoder().decode(Value.self, from: Data(bytes)))
    } catch {
        return .failure(jsonMistake(bytes))
    }
}

/// The decoder does not tell where a mistake is. JSON is YAML but for details, so that YAML's reader mostly finds it.
private func jsonMistake(_ bytes: [UInt8]) -> SyntaxError {
    for document in readYAML(bytes) {
        if case .failure(let error) = document.content { return error }
    }
    return SyntaxError(line: nil, cause: "it is not valid JSON")
}
