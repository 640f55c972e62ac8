/// A label selector and a field selector, in the forms that the source uses.
struct ObjectSelection: Sendable {
    enum Mistake: Error {
        case unknownField(String)
    }

    private var labels: [(key: String, value: String?)] = []
    private var fields: [(key: String, value: String, isEqual: Bool)] = []

    /// - Parameter knownFields: what the API server is able to select by.
    init(labels: String?, fields: String?, knownFields: Set<String>) throws(Mistake) {
        for part in (labels ?? "").split(separator: ",") {
            if part.hasPrefix("!") {
                self.labels.append((String(part.dropFirst()), nil))
            } else {
                let sides = part.split(separator: "=")
                self.labels.append((String(sides[0]), sides.count > 1 ? String(sides[1]) : ""))
            }
        }
        for part in (fields ?? "").split(separator: ",") {
            let isEqual = !part.contains("!=")
            let sides = part.split(omittingEmptySubsequences: true) { $0 == "=" || $0 == "!" }
            guard knownFields.contains(String(sides[0])) else { throw .unknownField(String(sides[0])) }
            self.fields.append((String(sides[0]), sides.count > 1 ? String(sides[1]) : "", isEqual))
        }
    }

    func contains(_ object: StoredObject) -> Bool {
        labels.allSatisfy { object.labels[$0.key]?.text == $0.value }
            && fields.allSatisfy { (field(object, $0.key) == $0.value) == $0.isEqual }
    }

    private func field(_ object: StoredObject, _ path: String) -> String {
        path.split(separator: ".").reduce(Optional(object.content)) { $0?[String($1)] }?.text ?? ""
    }
}
