extension Collection<StateProblem> {
    /// Those that may be why something is missing that bears a name: what names it or, where nothing does, what no name can
    /// be made out of.
    package func suspects(for name: String) -> [StateProblem] {
        let hiding = filter { $0.hides == .anything }
        let naming = hiding.filter { $0.names?.contains(name) == true }
        return naming.isEmpty ? hiding.filter { $0.names == nil } : naming
    }

    /// Of several none of which is more likely to be the cause than the others: `3 manifests cannot be used`.
    package var countStatement: String { "\(Set(map(\.origin)).count) manifests cannot be used" }
}

extension StateProblem {
    /// The first names that stand in a text which is no YAML or JSON: the values of `name` and of what ends so. Nil if there are none.
    package static func names<Bytes: Collection<UInt8>>(in text: Bytes) -> [String]? {
        let (most, key) = (200, Array("name".utf8))
        var names: [String] = []
        var matched = 0
        var index = text.startIndex
        while index < text.endIndex, names.count < most {
            matched = text[index] == key[matched] ? matched + 1 : text[index] == key[0] ? 1 : 0
            index = text.index(after: index)
            guard matched == key.count else { continue }
            matched = 0
            let rest = text[index...].drop { [0x22, 0x27, 0x20].contains($0) }
            guard rest.first == UInt8(ascii: ":") else { continue }
            let value = rest.dropFirst().drop { [0x22, 0x27, 0x20].contains($0) }.prefix(253).prefix(while: isOfName)
            if value.isEmpty { continue }
            let name = String(decoding: value, as: UTF8.self)
            if !names.contains(name) { names.append(name) }
        }
        return names.isEmpty ? nil : names
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
        }
    }
}
