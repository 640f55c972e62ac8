import ServiceModel

/// What Kubernetes lets things be called. The API server has checked it; a manifest may say anything, and names stand in
/// maps, metrics and logs.
enum NameRule {
    /// Services, namespaces and ports: one label of RFC 1123.
    case label
    /// Everything else: labels with dots between them.
    case subdomain

    init(for kind: ObjectKind) { self = kind == .service ? .label : .subdomain }

    func allows(_ name: String) -> Bool {
        switch self {
        case .label: name.utf8.count <= 63 && isLabel(name.utf8[...])
        case .subdomain:
            name.utf8.count <= 253
                && name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy(isLabel)
        }
    }

    var advice: String {
        switch self {
        case .label: "write at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends"
        case .subdomain:
            "write at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends and at each dot"
        }
    }
}

extension Field {
    /// The member's text; reports one that is no name. An absent one is empty.
    func name(_ key: FieldName, _ rule: NameRule) -> String {
        guard let field = self[key], let name = field.text, !name.isEmpty else { return "" }
        if !rule.allows(name) { field.report("is \"\(name)\", which is not a valid name", rule.advice) }
        return name
    }
}

/// Of any length.
private func isLabel(_ text: Substring.UTF8View) -> Bool {
    guard let first = text.first, let last = text.last else { return false }
    return isAlphanumeric(first) && isAlphanumeric(last)
        && text.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}
