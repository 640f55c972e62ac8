import Reporting
import ServiceModel

/// What `swiftlet help reasons` prints: the catalogue.
enum ReasonReference {
    static var text: String {
        var table = Table("CODE", "OBJECT", "MEANING", "REMEDY")
        for code in ReasonCode.allCases {
            let entry = code.entry
            table.add(code.rawValue, entry.object.isEmpty ? "-" : entry.object, entry.meaning, entry.remedy)
        }
        return table.text
    }
}
