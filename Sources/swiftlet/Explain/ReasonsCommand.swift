import KubernetesObjects
import Reporting
import ServiceModel

/// What `swiftlet help reasons` prints: the catalogue; with a code, that entry.
enum ReasonReference {
    static var text: String {
        var table = Table("CODE", "OBJECT", "MEANING", "REMEDY")
        for code in ReasonCode.allCases {
            let entry = code.entry
            table.add(code.rawValue, entry.object.isEmpty ? "-" : entry.object, entry.meaning, entry.remedy)
        }
        return table.text
    }

    /// One entry in full.
    ///
    /// - Parameter word: a code, in whatever case.
    static func text(of word: String) throws(CommandError) -> String {
        let codes = ReasonCode.allCases
        guard let code = codes.first(where: { $0.rawValue.lowercased() == word.lowercased() }) else {
            let near = codes.map(\.rawValue).nearest(to: word).map { "did you mean \($0)?" }
            throw CommandError("there is no reason \(word); \(near ?? "`swiftlet help reasons` lists all")")
        }
        let entry = code.entry
        var lines = ["\(code.rawValue): \(entry.meaning)"]
        if !entry.object.isEmpty { lines.append("  look at:  \(entry.object)") }
        if !entry.remedy.isEmpty { lines.append("  do:       \(entry.remedy)") }
        if let docs = code.docs { lines.append("  see:      \(docs)") }
        return lines.joined(separator: "\n")
    }
}
