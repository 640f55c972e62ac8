import ServiceModel

/// Reads what the Kubernetes API answers with: pages of lists, lines of watches, refusals.
///
/// A mistake in one object is that object's problem, and mostly only that of a part of it; the others are read. A text that is no JSON, or something else
/// than was asked for, is thrown. Equal texts are shared between all objects that one reader reads, so a reader should
/// live as long as a list is read, or as a watch lasts.
package struct APIObjectReader: Sendable {
    private let origin: String
    private let reader = ObjectReader()

    /// - Parameter origin: what problems name: the URL of the API server.
    package init(origin: String) { self.origin = origin }

    /// Reads a `ServiceList`, an `EndpointSliceList` or a `NodeList`, whose items do not say what they are.
    package func listPage(_ bytes: UnsafeRawBufferPointer) throws(SyntaxError) -> APIListPage {
        var json = JSONReader(bytes)
        var draft = PageDraft()
        try read(&json, into: &draft)
        if let start = draft.unreadItems {
            // The kind came after the items.
            json.position = start
            try readItems(&json, of: draft.itemKind(), into: &draft)
        }
        draft.page.kind = try draft.itemKind()
        return draft.page
    }

    /// Reads one item of a list of such objects.
    package func item(_ bytes: UnsafeRawBufferPointer, of kind: ObjectKind) throws(SyntaxError) -> APIObject {
        read(Field(try JSONReader.document(bytes, .known)), kind: kind)
    }

    /// Reads one line of a watch.
    package func watchEvent(_ line: UnsafeRawBufferPointer) throws(SyntaxError) -> APIWatchEvent {
        let field = Field(try JSONReader.document(line, .known))
        guard let type = field.text(.type), let object = field[.object] else {
            throw SyntaxError(cause: "it is no event of a watch: type or object is missing")
        }
        let own = object.asObject
        switch type {
        case "ADDED", "MODIFIED": return .put(read(own, kind: try reader.kind(of: own)))
        case "DELETED":
            guard let key = reader.key(of: own, kind: try reader.kind(of: own)) else {
                throw SyntaxError(cause: "the deleted object has no name")
            }
            return .deleted(key, resourceVersion: resourceVersion(of: own))
        case "BOOKMARK":
            let annotations = own[.metadata]?.textMap(.annotations) ?? [:]
            return .bookmark(
                resourceVersion: resourceVersion(of: own),
                endsInitialEvents: annotations["k8s.io/initial-events-end"] == "true")
        case "ERROR": return .failure(status(own) ?? APIStatus(code: 0, message: "an error without a status"))
        default: throw SyntaxError(cause: "unknown watch event type \(type)")
        }
    }

    /// Reads the body of an answer that refuses; nil if it is no `Status`.
    package func status(_ bytes: UnsafeRawBufferPointer) -> APIStatus? {
        guard let document = try? JSONReader.document(bytes, .known) else { return nil }
        return status(Field(document))
    }
}

/// The same, for byte arrays.
extension APIObjectReader {
    package func listPage(_ bytes: [UInt8]) throws(SyntaxError) -> APIListPage {
        try bytes.borrowed { bytes throws(SyntaxError) in try listPage(bytes) }
    }

    package func watchEvent(_ line: [UInt8]) throws(SyntaxError) -> APIWatchEvent {
        try line.borrowed { line throws(SyntaxError) in try watchEvent(line) }
    }

    package func status(_ bytes: [UInt8]) -> APIStatus? { bytes.withUnsafeBytes { status($0) } }
}

/// Lists.
extension APIObjectReader {
    private struct PageDraft {
        var page = APIListPage()
        var kind: String?
        var apiVersion: String?
        /// Where the items stand, if they come before the kind.
        var unreadItems: Int?

        func itemKind() throws(SyntaxError) -> ObjectKind {
            guard let kind, let apiVersion else { throw SyntaxError(cause: "kind or apiVersion is missing") }
            guard kind.hasSuffix("List"),
                let known = ObjectKind(apiVersion: apiVersion, kind: String(kind.dropLast(4)))
            else { throw SyntaxError(cause: "it is a \(apiVersion) \(kind), which is no list of known objects") }
            return known
        }
    }

    private func read(_ json: inout JSONReader, into draft: inout PageDraft) throws(SyntaxError) {
        var isFirst = true
        try json.beginMap()
        while let key = try json.nextKey(isFirst: isFirst) {
            isFirst = false
            switch json.fieldName(key) {
            case .kind: draft.kind = Field(try json.document(.known)).text
            case .apiVersion: draft.apiVersion = Field(try json.document(.known)).text
            case .metadata:
                let metadata = Field(try json.document(.known))
                draft.page.resourceVersion = metadata.text(.resourceVersion) ?? ""
                draft.page.continuation = metadata.text(.continue).flatMap { $0.isEmpty ? nil : $0 }
            case .items where draft.kind == nil || draft.apiVersion == nil:
                draft.unreadItems = json.position
                try json.skip()
            case .items: try readItems(&json, of: draft.itemKind(), into: &draft)
            default: try json.skip()
            }
        }
        try json.end()
    }

    private func readItems(
        _ json: inout JSONReader, of kind: ObjectKind, into draft: inout PageDraft
    ) throws(SyntaxError) {
        if try json.next() == UInt8(ascii: "n") { return try json.skip() }
        var isFirst = true
        try json.beginList()
        while try json.hasElement(isFirst: isFirst) {
            isFirst = false
            draft.page.objects.append(read(Field(try json.document(.known)), kind: kind))
        }
    }
}

/// Objects.
extension APIObjectReader {
    private func read(_ field: Field, kind: ObjectKind) -> APIObject {
        let version = resourceVersion(of: field)
        guard let key = reader.key(of: field, kind: kind) else {
            let problems = StateProblem.all(field.findings, origin: origin, object: kind.word)
            let nameless = ObjectKey(kind: kind, name: ObjectName(namespace: "", name: ""))
            return APIObject(key: nameless, resourceVersion: version, event: nil, problems: problems)
        }
        let object = reader.object(field, key: key)
        let problems = StateProblem.all(
            field.findings, origin: origin, object: "\(key)", hiding: HiddenObjects(object, key: key))
        return APIObject(
            key: key, resourceVersion: version, event: field.findings.isRefused ? nil : object.event,
            problems: problems)
    }

    private func resourceVersion(of field: Field) -> String { field[.metadata]?.text(.resourceVersion) ?? "" }

    private func status(_ field: Field) -> APIStatus? {
        guard field.text(.kind) == "Status" else { return nil }
        return APIStatus(
            code: field.integer(.code) ?? 0, reason: field.text(.reason) ?? "", message: field.text(.message) ?? "",
            retryAfterSeconds: field[.details]?.integer(.retryAfterSeconds))
    }
}

extension KubernetesObject {
    /// What the object is to the model; nil for a kind that only other objects are derived from.
    var event: ClusterEvent? {
        switch self {
        case .service(let object): .service(object.service)
        case .slice(let slice): .slice(slice)
        case .node(let node): .node(node)
        case .endpoints, .pod: nil
        }
    }
}
