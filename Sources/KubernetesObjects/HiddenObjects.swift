package import ServiceModel

/// What is not known, or only in an earlier version, because of a problem. What the maps hold of it from before the start
/// stays, and so does the version of the state cache.
package enum HiddenObjects: Hashable, Sendable {
    case none
    case service(ObjectName)
    case slice(ObjectName, of: ObjectName)
    case node(String)
    /// Whatever a file may define that cannot be read.
    case anything

    package init(_ object: KubernetesObject, key: ObjectKey) {
        switch object {
        case .service, .endpoints: self = .service(key.name)
        case .slice(let slice) where slice.serviceName.isEmpty: self = .none
        case .slice(let slice):
            self = .slice(key.name, of: ObjectName(namespace: key.name.namespace, name: slice.serviceName))
        case .node: self = .node(key.name.name)
        // It may be an endpoint of several Services.
        case .pod: self = .anything
        }
    }

    /// The Service that may be wanted otherwise than it seems.
    package var service: ObjectName? {
        switch self {
        case .service(let name), .slice(_, of: let name): name
        case .none, .node, .anything: nil
        }
    }

    /// The object itself; nil if it is not known which it is.
    package var subject: ClusterEvent.Subject? {
        switch self {
        case .service(let name): .service(name)
        case .slice(let name, _): .slice(name)
        case .node(let name): .node(name)
        case .none, .anything: nil
        }
    }
}

extension StateBatch {
    /// Adds the last good version of each object that is refused as it is now, from what was known before a restart.
    package mutating func restoreHidden(from known: @autoclosure () -> [ClusterEvent]) {
        let hidden = hiddenSubjects
        if hidden.isEmpty { return }
        let present = Set(events.map(\.subject))
        events += known().filter { hidden.contains($0.subject) && !present.contains($0.subject) }
    }

    /// The objects that are refused as they are now.
    package var hiddenSubjects: Set<ClusterEvent.Subject> { Set(problems.compactMap(\.hides.subject)) }
}
