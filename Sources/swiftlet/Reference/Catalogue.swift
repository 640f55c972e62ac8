import KubernetesObjects
import Reporting
import ServiceModel

/// What `swiftlet help reasons` and `swiftlet help errors` print: all codes, or one entry in full.
enum Catalogue: String, CaseIterable {
    case reasons, errors

    var text: String {
        var table: Table
        switch self {
        case .reasons:
            table = Table("CODE", "OBJECT", "MEANING", "REMEDY")
            for code in ReasonCode.allCases {
                let entry = code.entry
                table.add(code.rawValue, entry.object.isEmpty ? "-" : entry.object, entry.meaning, entry.remedy)
            }
        case .errors:
            table = Table("CODE", "MEANING", "WHY", "REMEDY")
            for code in FailureCode.allCases {
                table.add(code.rawValue, code.entry.happened, code.entry.why, code.entry.plainRemedy)
            }
        }
        return table.text
    }

    /// One entry.
    ///
    /// - Parameter word: a code, in whatever case.
    func text(of word: String) throws(CommandError) -> String {
        switch self {
        case .reasons:
            let code = try find(word, in: ReasonCode.allCases, called: "reason")
            let entry = code.entry
            return Self.lines(
                "\(code.rawValue): \(entry.meaning)", ("look at", entry.object), ("do", entry.remedy),
                ("see", code.docs ?? ""))
        case .errors:
            let code = try find(word, in: FailureCode.allCases, called: "error")
            let entry = code.entry
            return Self.lines(
                "\(code.rawValue): \(entry.happened)", ("why", entry.why), ("do", entry.plainRemedy),
                ("see", code.docs))
        }
    }

    private func find<Code: RawRepresentable<String>>(
        _ word: String, in codes: [Code], called kind: String
    ) throws(CommandError) -> Code {
        if let code = codes.first(where: { $0.rawValue.lowercased() == word.lowercased() }) { return code }
        let near = codes.map(\.rawValue).nearest(to: word).map { "did you mean \($0)?" }
        throw CommandError(
            .notFound, "there is no \(kind) \(word); \(near ?? "`swiftlet help \(rawValue)` lists all")")
    }

    private static func lines(_ title: String, _ parts: (name: String, text: String)...) -> String {
        let shown = parts.filter { !$0.text.isEmpty }.map { part in
            "  \(part.name):\(String(repeating: " ", count: 9 - part.name.count))\(part.text)"
        }
        return ([title] + shown).joined(separator: "\n")
    }
}

extension FailureEntry {
    /// Without the targets of links.
    fileprivate var plainRemedy: String { remedy.replacing(#/\[([^\]]*)\]\(([^)]*)\)/#) { "\($0.1) (docs/\($0.2))" } }
}
