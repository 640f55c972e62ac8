import ServiceModel

/// What one manifest file says.
struct ParsedFile {
    struct Object {
        var key: ObjectKey
        var document: Int
        /// Nil when the object is not valid: its last good version stays.
        var content: ManifestObject?
    }

    var objects: [Object] = []
    var problems: [ManifestProblem] = []
    /// Kinds of object that are of no interest here.
    var passedOver: Set<String> = []
    /// False when something could not be told apart at all: the file may still define what it defined before.
    var isComplete = true
}

/// Reads manifest texts into objects.
struct ManifestParser: Sendable {
    private let intern = Interner()

    /// Reads a text in the format that the file's name says.
    func parse(_ bytes: [UInt8], file: String) -> ParsedFile {
        var parsed = ParsedFile()
        for document in documents(bytes, file: file) {
            switch document.content {
            case .success(let value):
                read(value, document: document.number, file: file, into: &parsed)
            case .failure(let error):
                let language = file.hasSuffix(".json") ? "JSON" : "YAML"
                parsed.problems.append(
                    ManifestProblem(
                        .unparsable, file: file, document: document.number, cause: error.text,
                        advice: "correct the \(language)"))
                parsed.isComplete = false
            }
        }
        return parsed
    }

    private func documents(_ bytes: [UInt8], file: String) -> [ManifestDocument] {
        guard file.hasSuffix(".json") else { return readYAML(bytes) }
        if bytes.allSatisfy({ [0x20, 0x09, 0x0A, 0x0D].contains($0) }) { return [] }
        return [ManifestDocument(number: 1, content: readJSON(bytes))]
    }

    private func read(_ value: Value, document: Int, file: String, into parsed: inout ParsedFile) {
        if value.isNull { return }
        let findings = Findings()
        let field = Field(value, findings: findings)
        guard case .map = value else {
            findings.add(.object, "it is \(value.kindWord), not an object", "write an object with apiVersion and kind")
            parsed.add(findings, document: document, file: file)
            return
        }
        read(field, type: nil, document: document, file: file, into: &parsed)
    }

    /// Reads an object or, for a List, the objects in it; `type` is what a list says of items that do not.
    private func read(
        _ field: Field, type: TypeName?, document: Int, file: String, into parsed: inout ParsedFile
    ) {
        let kind = field.text("kind") ?? type?.kind
        let version = field.text("apiVersion") ?? type?.apiVersion
        guard let kind, let version else {
            for key in ["apiVersion", "kind"] where field[key] == nil {
                field.reportMissing(key, "write what the object is")
            }
            parsed.add(field.findings, document: document, file: file)
            return
        }
        if kind.hasSuffix("List"), let items = field["items"] {
            let single = kind == "List" ? nil : TypeName(apiVersion: version, kind: String(kind.dropLast(4)))
            for item in items.elements {
                // Findings of its own: one bad item does not disqualify the others.
                let own = Field(item.value, path: item.path, findings: Findings())
                read(own, type: single, document: document, file: file, into: &parsed)
            }
            parsed.add(field.findings, document: document, file: file)
        } else if let kind = ObjectKind(apiVersion: version, kind: kind) {
            read(field, kind: kind, document: document, file: file, into: &parsed)
        } else {
            parsed.passedOver.insert("\(version) \(kind)")
        }
    }

    private func read(_ field: Field, kind: ObjectKind, document: Int, file: String, into parsed: inout ParsedFile) {
        let metadata = field["metadata"]
        guard let name = metadata?.text("name"), !name.isEmpty else {
            field.findings.add(
                .member(.member(field.path, "metadata"), "name"), "is missing", "give the \(kind.word) a name")
            parsed.add(field.findings, document: document, file: file, object: kind.word)
            return
        }
        let written = metadata?.text("namespace") ?? ""
        let namespace = kind == .node ? "" : written.isEmpty ? "default" : written
        let key = ObjectKey(kind: kind, name: ObjectName(namespace: intern(namespace), name: intern(name)))
        let content = content(field, key: key)
        let isValid = field.findings.all.isEmpty
        parsed.objects.append(.init(key: key, document: document, content: isValid ? content : nil))
        parsed.add(field.findings, document: document, file: file, object: "\(key)", isIdentified: true)
    }

    private func content(_ field: Field, key: ObjectKey) -> ManifestObject {
        switch key.kind {
        case .service: .service(.read(field, name: key.name, intern: intern))
        case .slice: .slice(.read(field, name: key.name, intern: intern))
        case .endpoints: .endpoints(.read(field, intern: intern))
        case .pod: .pod(.read(field, intern: intern))
        case .node: .node(.read(field, name: key.name.name, intern: intern))
        }
    }
}

/// What `apiVersion` and `kind` say.
private struct TypeName {
    var apiVersion: String
    var kind: String
}

extension ParsedFile {
    fileprivate mutating func add(
        _ findings: Findings, document: Int, file: String, object: String? = nil, isIdentified: Bool = false
    ) {
        for finding in findings.all {
            problems.append(
                ManifestProblem(
                    .invalid, file: file, document: document, object: object,
                    field: finding.field.isEmpty ? nil : finding.field, cause: finding.cause, advice: finding.advice))
        }
        if !findings.all.isEmpty && !isIdentified { isComplete = false }
    }
}
