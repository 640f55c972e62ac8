import KubernetesObjects
import ServiceModel

/// What one manifest file says.
struct ParsedFile {
    struct Object {
        var key: ObjectKey
        var document: Int
        /// Nil when the object is not valid: its last good version stays.
        var content: KubernetesObject?
    }

    var objects: [Object] = []
    var problems: [StateProblem] = []
    /// Kinds of object that are of no interest here.
    var passedOver: Set<String> = []
    /// False when something could not be told apart at all: the file may still define what it defined before.
    var isComplete = true
    /// What a close look sees; empty unless the parser looks closely.
    var closeObjects: [CloseObject] = []
    var flaws: [Flaw] = []
    var doubts: [Flaw] = []
}

/// Reads manifest texts into objects.
struct ManifestParser: Sendable {
    private let reader = ObjectReader()
    private let nodePorts: ClosedRange<Int>
    private let looksClosely: Bool

    /// - Parameters:
    ///   - nodePorts: a NodePort outside this range is told of.
    ///   - looksClosely: also reads what only an explanation needs.
    init(nodePorts: ClosedRange<Int> = Service.usualNodePorts, looksClosely: Bool = false) {
        self.nodePorts = nodePorts
        self.looksClosely = looksClosely
    }

    /// Reads a text in the format that the file's name says.
    func parse(_ bytes: [UInt8], file: String) -> ParsedFile {
        var parsed = ParsedFile()
        for document in documents(bytes, file: file) {
            switch document.content {
            case .success(let content):
                read(content, document: document.number, file: file, into: &parsed)
            case .failure(let error):
                let language = file.hasSuffix(".json") ? "JSON" : "YAML"
                parsed.problems.append(
                    StateProblem(
                        .unparsable, origin: file, document: document.number, cause: error.text,
                        advice: "correct the \(language)"
                    ).hiding(.anything, naming: document.names))
                parsed.isComplete = false
            }
        }
        return parsed
    }

    private func documents(_ bytes: [UInt8], file: String) -> [ManifestDocument] {
        guard file.hasSuffix(".json") else { return readYAML(bytes) }
        if bytes.allSatisfy({ [0x20, 0x09, 0x0A, 0x0D].contains($0) }) { return [] }
        do throws(SyntaxError) {
            return [ManifestDocument(number: 1, content: .success(try JSONReader.document(bytes)))]
        } catch {
            return [ManifestDocument(number: 1, content: .failure(error), names: StateProblem.names(in: bytes))]
        }
    }

    private func read(_ content: Document, document: Int, file: String, into parsed: inout ParsedFile) {
        let field = Field(content)
        if field.value.isNull { return }
        guard field.isMap else {
            field.report("it is \(field.value.kindWord), not an object", "write an object with apiVersion and kind")
            parsed.add(field.findings, document: document, file: file)
            return
        }
        read(field, type: nil, document: document, file: file, into: &parsed)
    }

    /// Reads an object or, for a List, the objects in it; `type` is what a list says of items that do not.
    private func read(
        _ field: Field, type: TypeName?, document: Int, file: String, into parsed: inout ParsedFile
    ) {
        let kind = field.text(.kind) ?? type?.kind
        let version = field.text(.apiVersion) ?? type?.apiVersion
        guard let kind, let version else {
            for key in [FieldName.apiVersion, .kind] where field[key] == nil {
                field.reportMissing(key, "write what the object is")
            }
            parsed.add(field.findings, document: document, file: file, naming: field.apart.names)
            return
        }
        if kind.hasSuffix("List"), let items = field[.items] {
            let single = kind == "List" ? nil : TypeName(apiVersion: version, kind: String(kind.dropLast(4)))
            for item in items.elements {
                // Findings of its own: one bad item does not disqualify the others.
                read(item.apart, type: single, document: document, file: file, into: &parsed)
            }
            parsed.add(field.findings, document: document, file: file)
        } else if let kind = ObjectKind(apiVersion: version, kind: kind) {
            read(field, kind: kind, document: document, file: file, into: &parsed)
        } else if let mistake = ObjectKind.mistake(apiVersion: version, kind: kind) {
            let key = reader.key(of: field.apart, kind: mistake.meant)
            let name = key.map { " \($0.name)" } ?? ""
            let problem = StateProblem(
                .doubtful, origin: file, document: document, object: "\(version) \(kind)\(name)", cause: mistake.cause,
                advice: mistake.advice)
            parsed.problems.append(problem)
            if looksClosely, let key {
                parsed.flaws.append(Flaw(key, reader.object(field.apart, key: key), problem))
            }
        } else {
            parsed.passedOver.insert("\(version) \(kind)")
        }
    }

    private func read(_ field: Field, kind: ObjectKind, document: Int, file: String, into parsed: inout ParsedFile) {
        guard let key = reader.key(of: field, kind: kind) else {
            parsed.add(
                field.findings, document: document, file: file, object: kind.word, naming: field.apart.names)
            return
        }
        let content = reader.object(field, key: key)
        let isValid = !field.findings.isRefused
        parsed.objects.append(.init(key: key, document: document, content: isValid ? content : nil))
        let flaws = StateProblem.all(
            field.findings, origin: file, document: document, object: "\(key)",
            hiding: HiddenObjects(content, key: key))
        func doubtful(_ doubt: Doubt) -> StateProblem {
            StateProblem(
                .doubtful, origin: file, document: document, object: "\(key)", field: doubt.field, cause: doubt.cause,
                advice: doubt.advice)
        }
        if isValid {
            if looksClosely, let object = CloseObject(field.apart, key: key, content: content) {
                parsed.closeObjects.append(object)
            }
            let doubts = doubts(about: content, field).map(doubtful)
            parsed.problems += doubts
            if looksClosely { parsed.doubts += doubts.map { Flaw(key, content, $0) } }
        }
        let unknown = isValid || looksClosely ? unknownFields(of: content, field).map(doubtful) : []
        parsed.problems += isValid ? flaws + unknown : flaws
        if looksClosely { parsed.flaws += (flaws + unknown).map { Flaw(key, content, $0) } }
    }

    private typealias Doubt = (field: String, cause: String, advice: String)

    /// What an API server would have refused or warned of, and what is used all the same.
    private func doubts(about content: KubernetesObject, _ field: Field) -> [Doubt] {
        var doubts: [Doubt] = []
        switch content {
        case .pod, .node, .endpoints: break
        case .slice(let slice):
            if slice.serviceName.isEmpty {
                doubts.append(
                    (
                        "metadata.labels[kubernetes.io/service-name]", "is missing, so that it belongs to no Service",
                        "write the name of the Service"
                    ))
            }
        case .service(let object):
            doubts += TopologyWords.unknown(in: field.apart).map { ($0.path, "is \($0.word)", $0.advice) }
            for (index, port) in object.service.ports.enumerated() where object.service.kind != .clusterIP {
                guard let number = port.nodePort?.number, !nodePorts.contains(Int(number)) else { continue }
                let range = "\(nodePorts.lowerBound)-\(nodePorts.upperBound)"
                doubts.append(
                    (
                        "spec.ports[\(index)].nodePort", "is \(number), outside \(range)",
                        "write one inside, where no other program listens"
                    ))
            }
        }
        return doubts
    }

    /// Those of Pods and Nodes are too many to be known.
    private func unknownFields(of content: KubernetesObject, _ field: Field) -> [Doubt] {
        switch content {
        case .pod, .node: []
        case .service, .slice, .endpoints:
            field.unknownFields().map { ($0.path, "is no field that is known", $0.advice) }
        }
    }
}

/// What `apiVersion` and `kind` say.
private struct TypeName {
    var apiVersion: String
    var kind: String
}

extension Field {
    /// Its own name, and that of the Service that it would belong to.
    fileprivate var names: [String] {
        let metadata = self[.metadata]
        return [metadata?[.name]?.text, metadata?[.labels]?["kubernetes.io/service-name"]?.text].compactMap(\.self)
    }
}

extension ParsedFile {
    fileprivate mutating func add(
        _ findings: Findings, document: Int, file: String, object: String? = nil, naming names: [String] = []
    ) {
        let all = StateProblem.all(findings, origin: file, document: document, object: object)
        problems += all.map { $0.hiding(.anything, naming: names) }
        if findings.isRefused { isComplete = false }
    }
}

extension ParsedFile {
    /// The same objects in memory of their own, allocated by the calling thread.
    ///
    /// Reading a file leaves what it has found between much larger garbage, and pages that are nearly free are not given
    /// back. After a large load the copies lie close together, and the pages of the originals are free altogether.
    var copied: ParsedFile {
        var file = self
        file.objects = objects.map { object in
            var copy = object
            copy.content = object.content?.copied
            return copy
        }
        return file
    }
}
