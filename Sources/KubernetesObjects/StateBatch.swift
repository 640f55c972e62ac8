package import ServiceModel

/// What changed in a source of state since the batch before.
package struct StateBatch: Sendable, Hashable {
    /// The changes of objects; together with all earlier batches they give the present state.
    package var events: [ClusterEvent]
    /// Problems that are new, or that came back.
    package var problems: [StateProblem]
    /// Problems reported earlier that are gone.
    package var resolved: [StateProblem]
    /// Services of which something is as it was before, since what would define it now cannot be used, and what that is; all
    /// of them, or nil where they are the same as in the batch before.
    package var kept: [ObjectName: String]?
    /// Kinds of object that were met for the first time and passed over (`apps/v1 Deployment`), for debug logs.
    package var passedOver: [String]
    /// True for the first batch: it is the complete list (spec 10).
    package var isInitial: Bool

    package init(
        events: [ClusterEvent] = [], problems: [StateProblem] = [], resolved: [StateProblem] = [],
        passedOver: [String] = [], isInitial: Bool = false
    ) {
        self.events = events
        self.problems = problems
        self.resolved = resolved
        self.passedOver = passedOver
        self.isInitial = isInitial
    }

    package var isEmpty: Bool {
        events.isEmpty && problems.isEmpty && resolved.isEmpty && passedOver.isEmpty && kept == nil && !isInitial
    }

    /// Adds a later batch, so that a slow reader gets one batch in place of many.
    package mutating func merge(_ later: StateBatch) {
        let renewed = Set(later.events.map(\.subject))
        events.removeAll { renewed.contains($0.subject) }
        events += later.events

        let solved = Set(later.resolved.map(\.identity))
        let unseen = Set(problems.map(\.identity)).intersection(solved)
        let returned = Set(later.problems.map(\.identity)).intersection(resolved.map(\.identity))
        problems.removeAll { unseen.contains($0.identity) }
        resolved.removeAll { returned.contains($0.identity) }
        problems += later.problems.filter { !returned.contains($0.identity) }
        resolved += later.resolved.filter { !unseen.contains($0.identity) }
        passedOver += later.passedOver
        kept = later.kept ?? kept
        isInitial = isInitial || later.isInitial
    }
}

extension ClusterEvent {
    /// The object that an event is about: a later event of the same subject replaces an earlier one.
    package enum Subject: Hashable, Sendable {
        case service(ObjectName)
        case slice(ObjectName)
        case node(String)
    }

    package var subject: Subject {
        switch self {
        case .service(let service): .service(service.name)
        case .serviceGone(let name): .service(name)
        case .slice(let slice): .slice(slice.name)
        case .sliceGone(let name): .slice(name)
        case .node(let node): .node(node.name)
        case .nodeGone(let name): .node(name)
        }
    }
}
