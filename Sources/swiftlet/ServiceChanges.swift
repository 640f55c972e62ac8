import SwiftletDaemon

/// What `swiftlet services --watch` prints: how Services differ from when they were looked at last. What is counted is no
/// change.
struct ServiceChange: Encodable {
    /// The words of Kubernetes' watches.
    enum Kind: String, Encodable {
        case added = "ADDED"
        case modified = "MODIFIED"
        case deleted = "DELETED"
    }

    var type: Kind
    /// As it is now; a deleted one as it was.
    var object: ServiceListing.Item

    /// Sorted by name, as both lists are.
    static func between(_ old: [ServiceListing.Item], _ new: [ServiceListing.Item]) -> [ServiceChange] {
        let before = Dictionary(old.map { ($0.title, $0) }, uniquingKeysWith: { first, _ in first })
        var changes = new.compactMap { item -> ServiceChange? in
            guard let known = before[item.title] else { return ServiceChange(type: .added, object: item) }
            return known.withoutCounts == item.withoutCounts ? nil : ServiceChange(type: .modified, object: item)
        }
        let present = Set(new.map(\.title))
        changes += old.filter { !present.contains($0.title) }.map { ServiceChange(type: .deleted, object: $0) }
        return changes.sorted { $0.object.title < $1.object.title }
    }
}

extension ServiceListing.Item {
    fileprivate var withoutCounts: Self {
        var item = self
        for port in item.ports.indices {
            item.ports[port].connections = .none
            for backend in item.ports[port].backends.indices { item.ports[port].backends[backend].forwarded = nil }
        }
        return item
    }
}
