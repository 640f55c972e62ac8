package import ServiceModel

/// Objects as text, a line each, as one process hands them to another: as the Kubernetes API would write them, and slices
/// that were made here under their names.
package enum ObjectLines {
    /// The end of an object is not written.
    package static func text(of events: some Sequence<ClusterEvent>) -> String {
        var json = JSONWriter()
        for event in events {
            switch event {
            case .service(let service): service.write(to: &json)
            case .slice(let slice): slice.write(to: &json)
            case .node(let node): node.write(to: &json)
            case .serviceGone, .sliceGone, .nodeGone: continue
            }
            json.endLine()
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// What is no object is passed over.
    package static func events(of text: String) -> [ClusterEvent] {
        let reader = ObjectReader()
        return text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { line in
            guard let document = try? JSONReader.document(Array(line), .known) else { return nil }
            let field = Field(document)
            guard let kind = try? reader.kind(of: field), let name = field[.metadata]?.text(.name) else { return nil }
            let namespace = field[.metadata]?.text(.namespace) ?? ""
            return reader.object(field, key: ObjectKey(kind: kind, name: ObjectName(namespace: namespace, name: name)))
                .event
        }
    }
}
