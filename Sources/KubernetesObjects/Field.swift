package import ServiceModel

/// The way from an object to one of its fields.
package indirect enum FieldPath: CustomStringConvertible {
    case object
    case member(FieldPath, String)
    case element(FieldPath, Int)

    package var description: String {
        switch self {
        case .object: ""
        case .member(.object, let key): key
        case .member(let parent, let key):
            key.contains(where: { $0 == "." || $0 == "/" }) ? "\(parent)[\(key)]" : "\(parent).\(key)"
        case .element(let parent, let index): "\(parent)[\(index)]"
        }
    }
}

/// What is wrong in one object, collected while it is read.
package final class Findings {
    package struct Finding: Hashable {
        package var field: String
        package var cause: String
        package var advice: String
    }

    package private(set) var all: [Finding] = []

    package init() {}

    package func add(_ path: FieldPath, _ cause: String, _ advice: String) {
        let finding = Finding(field: path.description, cause: cause, advice: advice)
        if !all.contains(finding) { all.append(finding) }
    }
}

/// A value that knows where it stands, and reports there what is wrong with it.
///
/// A reader gets nil, or an empty list, both for what is absent and for what has the wrong form; the latter is
/// in the findings, and an object with findings is not used.
package struct Field {
    package let value: Value
    package let path: FieldPath
    package let findings: Findings

    package init(_ value: Value, path: FieldPath = .object, findings: Findings) {
        self.value = value
        self.path = path
        self.findings = findings
    }

    package func report(_ cause: String, _ advice: String) { findings.add(path, cause, advice) }

    /// Reports something about a member that may be absent.
    package func report(_ key: FieldName, _ cause: String, _ advice: String) {
        findings.add(.member(path, key.rawValue), cause, advice)
    }

    package func reportMissing(_ key: FieldName, _ advice: String) { report(key, "is missing", advice) }

    /// The member with this key; nil when it is absent or null.
    package subscript(_ key: FieldName) -> Field? { self[key.rawValue] }

    /// The member with a key that no object has, such as a setting's.
    package subscript(_ key: String) -> Field? {
        guard case .map(let members) = value else {
            if !value.isNull { report("is \(value.shown)", "write a map with keys and values") }
            return nil
        }
        for member in members where member.key == key {
            if member.value.isNull { return nil }
            return Field(member.value, path: .member(path, key), findings: findings)
        }
        return nil
    }

    /// The elements of a list.
    package var elements: [Field] {
        guard case .list(let values) = value else {
            report("is \(value.shown)", "write a list")
            return []
        }
        return values.indices.map { Field(values[$0], path: .element(path, $0), findings: findings) }
    }

    /// A scalar as text. A number or boolean without quotes counts as the text that it is written with.
    package var text: String? {
        switch value {
        case .plain(let text), .quoted(let text): return text
        case .null, .list, .map:
            report("is \(value.shown)", "write a text")
            return nil
        }
    }

    package var integer: Int? {
        switch value {
        case .plain(let text):
            if let number = parsedInteger(text) { return number }
            report("is \(text)", "write a whole number")
        case .quoted: report("is \(value.shown)", "write a number without quotes")
        case .null, .list, .map: report("is \(value.shown)", "write a whole number")
        }
        return nil
    }

    package var flag: Bool? {
        if case .plain(let text) = value {
            switch text {
            case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return true
            case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return false
            default: break
            }
        }
        report("is \(value.shown)", "write true or false")
        return nil
    }
}

/// Readers of members.
extension Field {
    package func list(_ key: FieldName) -> [Field] { self[key]?.elements ?? [] }
    package func text(_ key: FieldName) -> String? { self[key]?.text }
    package func integer(_ key: FieldName) -> Int? { self[key]?.integer }
    package func flag(_ key: FieldName) -> Bool? { self[key]?.flag }
    package func texts(_ key: FieldName) -> [String] { list(key).compactMap(\.text) }

    package func textMap(_ key: FieldName) -> [String: String] {
        guard let field = self[key] else { return [:] }
        guard case .map(let members) = field.value else {
            field.report("is \(field.value.shown)", "write a map with keys and values")
            return [:]
        }
        var result: [String: String] = [:]
        for member in members {
            let place = Field(member.value, path: .member(field.path, member.key), findings: findings)
            result[member.key] = member.value.isNull ? "" : place.text
        }
        return result
    }
}

/// Readers of what the model has types for; each of these rules stands here and nowhere else.
extension Field {
    package var port: Port? {
        guard let number = integer else { return nil }
        if let port = Port(number) { return port }
        report("is \(number)", "write a port from 1 to 65535")
        return nil
    }

    package var address: IPAddress? {
        guard let text else { return nil }
        if let address = IPAddress(text) { return address }
        report("is \(value.shown), which is no IP address", "write an IPv4 or IPv6 address")
        return nil
    }

    package func port(_ key: FieldName) -> Port? { self[key]?.port }
    package func address(_ key: FieldName) -> IPAddress? { self[key]?.address }
    package func addresses(_ key: FieldName) -> [IPAddress] { list(key).compactMap(\.address) }

    /// `protocol`, TCP where it is absent.
    package var proto: IPProtocol {
        choice(.protocol, among: ["TCP", "UDP", "SCTP"]) { IPProtocol($0) } ?? .tcp
    }

    /// A text that must be one of a few words; nil when it is absent or none of them.
    package func choice<T>(_ key: FieldName, among words: [String], _ make: (String) -> T?) -> T? {
        guard let field = self[key], let text = field.text else { return nil }
        if let result = make(text) { return result }
        field.report("is \(text)", "write \(alternatives(words))")
        return nil
    }
}

/// A decimal number, or one in the other notations that YAML has.
private func parsedInteger(_ text: String) -> Int? {
    if let number = Int(text) { return number }
    if text.hasPrefix("0x") { return Int(text.dropFirst(2), radix: 16) }
    if text.hasPrefix("0o") { return Int(text.dropFirst(2), radix: 8) }
    return nil
}

private func alternatives(_ words: [String]) -> String {
    guard let last = words.last, words.count > 1 else { return words.first ?? "" }
    return words.dropLast().joined(separator: ", ") + " or " + last
}
