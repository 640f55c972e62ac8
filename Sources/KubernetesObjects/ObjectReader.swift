import ServiceModel

/// Tells which object a value is, and reads it: the one way from every notation to the model's values.
package struct ObjectReader: Sendable {
    package let intern = Interner()

    package init() {}

    /// What `apiVersion` and `kind` say.
    func kind(of field: Field) throws(SyntaxError) -> ObjectKind {
        let (apiVersion, kind) = (field.text(.apiVersion) ?? "", field.text(.kind) ?? "")
        guard let known = ObjectKind(apiVersion: apiVersion, kind: kind) else {
            throw SyntaxError(cause: "the object is a \(apiVersion) \(kind), which is no known kind")
        }
        return known
    }

    /// Kind, namespace and name; nil when it has none that can be, which is then in the field's findings.
    package func key(of field: Field, kind: ObjectKind) -> ObjectKey? {
        let metadata = field[.metadata]
        let rule = NameRule(for: kind)
        guard let name = metadata?.name(.name, rule), !name.isEmpty else {
            field.report(.metadata, .name, cause: "is missing", advice: "give the \(kind.word) a name")
            return nil
        }
        let written = kind == .node ? "" : metadata?.name(.namespace, .label) ?? ""
        guard rule.allows(name), written.isEmpty || NameRule.label.allows(written) else { return nil }
        let namespace = kind == .node ? "" : written.isEmpty ? "default" : written
        return ObjectKey(kind: kind, name: ObjectName(namespace: intern(namespace), name: intern(name)))
    }

    /// The object; its field's findings say afterwards whether it can be used, and what was left out.
    package func object(_ field: Field, key: ObjectKey) -> KubernetesObject {
        switch key.kind {
        case .service: .service(.read(field, name: key.name, intern: intern))
        case .slice: .slice(.read(field, name: key.name, intern: intern))
        case .endpoints: .endpoints(.read(field, intern: intern))
        case .pod: .pod(.read(field, intern: intern))
        case .node: .node(.read(field, name: key.name.name, intern: intern))
        }
    }
}

extension StateProblem {
    /// A problem for each finding in one object; the last one says if there are more. If the object can be used, each is
    /// about an element that is left out.
    ///
    /// - Parameter hidden: what is not known as it is now if the object cannot be used.
    package static func all(
        _ findings: Findings, origin: String, document: Int? = nil, object: String? = nil,
        hiding hidden: HiddenObjects = .none
    ) -> [StateProblem] {
        var problems = findings.all.map { finding in
            StateProblem(
                findings.isRefused ? .invalid : .partial, origin: origin, document: document, object: object,
                field: finding.field.isEmpty ? nil : finding.field, cause: finding.cause, advice: finding.advice
            ).hiding(findings.isRefused ? hidden : .none)
        }
        if findings.isCut, let last = problems.popLast() {
            var cut = last
            cut.advice += "; more is wrong in this object"
            problems.append(cut)
        }
        return problems
    }
}
