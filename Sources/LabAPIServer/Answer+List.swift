import Synchronization

extension Answer {
    func list(_ faults: [Fault]) async throws {
        let options = server.state.withLock { $0.options }
        let selection: ObjectSelection
        do throws(ObjectSelection.Mistake) {
            selection = try ObjectSelection(
                labels: request.query["labelSelector"], fields: request.query["fieldSelector"],
                knownFields: options.knownFields)
        } catch .unknownField(let field) {
            return try await send(status: 400, reason: "BadRequest", message: "field label not supported: \(field)")
        }
        let asked = request.query["resourceVersion"].flatMap { UInt64($0) }
        if let asked, asked > server.store.version {
            return try await send(
                status: 504, reason: "Timeout",
                message: "Too large resource version: \(asked), current: \(server.store.version)", retryAfter: 1)
        }
        let token = request.query["continue"]
        guard var page = page(selection, token) else {
            return try await send(
                status: 410, reason: "Expired", message: "The provided continue parameter is too old to display")
        }
        if faults.contains(where: { if case .reversed = $0 { true } else { false } }) { page.items.reverse() }
        var metadata: JSON = ["resourceVersion": .text(page.version)]
        metadata["continue"] = page.token.map { .text($0) }
        if faults.contains(where: { if case .endless = $0 { true } else { false } }) {
            let items = page.items
            server.store.state.withLock { $0.listings["\(request.resource)@\(page.version)"] = items }
            metadata["continue"] = .text("\(page.version)-0")
        }
        try await send(200, body(metadata, page.items), faults)
    }

    /// What a warm API server has at hand: no more than copying.
    private func body(_ metadata: JSON, _ items: [StoredObject]) -> [UInt8] {
        let (kind, apiVersion) = Self.kind(of: request.resource)
        let head = Array(#"{"kind":"\#(kind)List","apiVersion":"\#(apiVersion)","metadata":"#.utf8) + metadata.bytes
        var body: [UInt8] = []
        body.reserveCapacity(items.reduce(head.count + 16) { $0 + $1.item.count + 1 })
        body += head
        body += Array(#","items":["#.utf8)
        for (index, object) in items.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            body += object.item
        }
        body += Array("]}".utf8)
        return body
    }

    private struct Page {
        var items: [StoredObject]
        var version: String
        var token: String?
    }

    /// Pages show one moment: the one of the first page. Nil if that is forgotten.
    private func page(_ selection: ObjectSelection, _ token: String?) -> Page? {
        server.store.state.withLock { state in
            let parts = token?.split(separator: "-").map(String.init) ?? []
            let version = parts.first ?? "\(state.version)"
            let start = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
            let name = "\(request.resource)@\(version)"
            var all: [StoredObject]
            if token == nil {
                let namespace = request.namespace
                all = state.inOrder(request.resource)
                    .filter { selection.contains($0) && namespace.map($0.namespace.elementsEqual) ?? true }
            } else {
                guard let kept = state.listings[name] else { return nil }
                all = kept
            }
            let isCached =
                request.query["resourceVersion"] != nil && server.state.withLock { $0.options.listsFromCache }
            let limit = isCached ? all.count : request.query["limit"].flatMap { Int($0) } ?? all.count
            guard start + limit < all.count else {
                return Page(items: Array(all[min(start, all.count)...]), version: version, token: nil)
            }
            state.listings[name] = all
            return Page(
                items: Array(all[start..<start + limit]), version: version, token: "\(version)-\(start + limit)")
        }
    }

    static func kind(of resource: String) -> (String, String) {
        switch resource {
        case "endpointslices": ("EndpointSlice", "discovery.k8s.io/v1")
        case "nodes": ("Node", "v1")
        case "pods": ("Pod", "v1")
        default: ("Service", "v1")
        }
    }
}
