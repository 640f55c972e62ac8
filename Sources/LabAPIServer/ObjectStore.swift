import Synchronization

/// An object as the API server keeps it.
package struct StoredObject: Sendable, Hashable {
    package var content: JSON
    package var resource: String
    package var namespace: String
    package var name: String
    package var version: UInt64

    /// In the order of etcd's keys.
    let key: String
    /// As lists have it, its kind being the list's; kept, so that a large list is a matter of copying.
    private(set) var item: [UInt8] = []

    var labels: JSON { content["metadata"]?["labels"] ?? [:] }

    /// Nil for an object that is of none of the kinds that are served.
    init?(_ content: JSON) {
        let resources = [
            "Service": "services", "EndpointSlice": "endpointslices", "Node": "nodes", "Pod": "pods", "Event": "events",
        ]
        guard let kind = content["kind"]?.text, let resource = resources[kind],
            let name = content["metadata"]?["name"]?.text
        else { return nil }
        self.content = content
        self.resource = resource
        self.name = name
        namespace = resource == "nodes" ? "" : content["metadata"]?["namespace"]?.text ?? "default"
        key = "\(namespace)/\(name)"
        version = 0
    }

    mutating func setVersion(_ version: UInt64) {
        self.version = version
        var metadata = content["metadata"] ?? [:]
        metadata["resourceVersion"] = .text("\(version)")
        if resource != "nodes" { metadata["namespace"] = .text(namespace) }
        content["metadata"] = metadata
        var item = content
        item["kind"] = nil
        item["apiVersion"] = nil
        self.item = item.bytes
    }
}

/// What happened to one object.
struct Change: Sendable {
    var version: UInt64
    /// Nil if it was deleted.
    var now: StoredObject?
    var before: StoredObject?
}

/// The objects of a cluster with their history, like an etcd.
package final class ObjectStore: Sendable {
    struct State {
        var version: UInt64
        var objects: [String: [String: StoredObject]] = [:]
        var history: [Change] = []
        /// What came before this version cannot be watched any more.
        var compacted: UInt64 = 0
        /// The lists of which pages were handed out, by their version.
        var listings: [String: [StoredObject]] = [:]
        var bookmarks = 0
        /// All objects of a resource in the order of their keys, as they were at a version.
        private var sorted: [String: (version: UInt64, objects: [StoredObject])] = [:]

        init(version: UInt64 = 100) { self.version = version }

        mutating func inOrder(_ resource: String) -> [StoredObject] {
            if let kept = sorted[resource], kept.version == version { return kept.objects }
            let objects = (objects[resource] ?? [:]).values.sorted { $0.key < $1.key }
            sorted[resource] = (version, objects)
            return objects
        }
    }

    let state = Mutex(State())
    let signal = Signal()

    package init() {}

    package var version: UInt64 { state.withLock { $0.version } }

    /// Adds or changes objects; the watches get them together.
    package func put(_ contents: JSON...) { put(contents) }

    package func put(_ contents: [JSON]) {
        state.withLock { state in
            for content in contents {
                guard var object = StoredObject(content) else { preconditionFailure("no object: \(content)") }
                state.version += 1
                object.setVersion(state.version)
                let before = state.objects[object.resource, default: [:]].updateValue(object, forKey: object.key)
                state.history.append(Change(version: state.version, now: object, before: before))
            }
        }
        signal.notify()
    }

    /// Adds or changes the object that a text describes.
    package func put(parsing text: String) throws {
        let content = try JSON(parsing: text)
        guard StoredObject(content) != nil else { throw UnknownObject(text: text) }
        put(content)
    }

    package struct UnknownObject: Error, CustomStringConvertible {
        let text: String

        package var description: String { "this is no Service, EndpointSlice, Node, Pod or Event with a name: \(text)" }
    }

    package func delete(_ resource: String, _ namespace: String, _ name: String) {
        state.withLock { state in
            guard let before = state.objects[resource]?.removeValue(forKey: "\(namespace)/\(name)") else { return }
            state.version += 1
            state.history.append(Change(version: state.version, now: nil, before: before))
        }
        signal.notify()
    }

    /// Forgets all history, as etcd does every five minutes; tokens for further pages end with it.
    package func compact() {
        state.withLock { state in
            state.version += 1
            state.compacted = state.version
            state.history = []
            state.listings = [:]
            // Like an API server that has been asked before.
            for resource in state.objects.keys { _ = state.inOrder(resource) }
        }
    }

    /// Everything is as it was at an earlier version, as after a restored backup.
    package func restore(version: UInt64, _ contents: [JSON]) {
        state.withLock { state in
            state = State(version: version - UInt64(contents.count))
            for content in contents {
                guard var object = StoredObject(content) else { preconditionFailure("no object: \(content)") }
                state.version += 1
                object.setVersion(state.version)
                state.objects[object.resource, default: [:]][object.key] = object
            }
        }
        signal.notify()
    }

    /// Lets all watches send a bookmark now.
    package func sendBookmarks() {
        state.withLock { $0.bookmarks += 1 }
        signal.notify()
    }

    /// The same objects as JSON.
    package func texts(_ resource: String) -> [String] {
        objects(resource).map { String(decoding: $0.content.bytes, as: UTF8.self) }
    }

    /// All objects of a resource, in the order of their keys.
    package func objects(_ resource: String) -> [StoredObject] {
        state.withLock { $0.inOrder(resource) }
    }
}
