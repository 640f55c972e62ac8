/// One endpoint of a slice: its first address (spec 5) and its conditions with defaults applied (spec 7).
///
/// A cluster has many of them, so where an endpoint runs is kept out of line and shared: 32 bytes each.
package struct Endpoint: Sendable, Hashable {
    package var address: IPAddress
    package var ready: Bool
    package var serving: Bool
    package var terminating: Bool
    /// Nil when nothing is known about where it runs.
    var placement: Placement?

    package init(
        address: IPAddress, ready: Bool = true, serving: Bool = true, terminating: Bool = false,
        nodeName: String? = nil, zone: String? = nil, zoneHints: [String] = [], nodeHints: [String] = [],
        pod: String? = nil
    ) {
        self.address = address
        self.ready = ready
        self.serving = serving
        self.terminating = terminating
        var content = Placement.Content(nodeName: nodeName, zone: zone, zoneHints: zoneHints, nodeHints: nodeHints)
        // Others share their placement, and a person asks for the name of one that is not used.
        if !ready { content.pod = pod }
        placement = Placement(content).unlessEmpty
    }

    /// The name of its pod, if it is not ready and its slice says so.
    package var pod: String? { placement?.content.pod }

    package var nodeName: String? {
        get { placement?.nodeName }
        set { place { $0.nodeName = newValue } }
    }

    package var zone: String? {
        get { placement?.zone }
        set { place { $0.zone = newValue } }
    }

    /// Zones whose clients should prefer this endpoint (spec 15).
    package var zoneHints: [String] {
        get { placement?.zoneHints ?? [] }
        set { place { $0.zoneHints = newValue } }
    }

    /// Nodes whose clients should prefer this endpoint (spec 15).
    package var nodeHints: [String] {
        get { placement?.nodeHints ?? [] }
        set { place { $0.nodeHints = newValue } }
    }

    private mutating func place(_ change: (inout Placement.Content) -> Void) {
        var content = placement?.content ?? Placement.Content()
        change(&content)
        placement = Placement(content).unlessEmpty
    }
}

/// Where an endpoint runs and which clients should prefer it: the same for all the endpoints of a node, mostly.
///
/// A class because sharing is its purpose; it never changes.
final class Placement: Sendable, Hashable {
    struct Content: Sendable, Hashable {
        var nodeName: String?
        var zone: String?
        var zoneHints: [String] = []
        var nodeHints: [String] = []
        var pod: String?
    }

    let content: Content

    init(_ content: Content) { self.content = content }

    var nodeName: String? { content.nodeName }
    var zone: String? { content.zone }
    var zoneHints: [String] { content.zoneHints }
    var nodeHints: [String] { content.nodeHints }

    var unlessEmpty: Placement? { content == Content() ? nil : self }

    static func == (left: Placement, right: Placement) -> Bool { left === right || left.content == right.content }
    func hash(into hasher: inout Hasher) { hasher.combine(content) }
}

/// The placements in use, one object for each content.
package struct PlacementPool: Sendable {
    private var placements: [Placement.Content: Placement] = [:]
    private var sweepAt = 1024

    package init() {}

    /// Replaces the placement of each endpoint by the pool's equal one; an array that shares already stays as it is.
    package mutating func share(_ endpoints: inout [Endpoint]) {
        for index in endpoints.indices {
            guard let own = endpoints[index].placement else { continue }
            let shared = shared(own)
            if shared !== own { endpoints[index].placement = shared }
        }
        if placements.count >= sweepAt { sweep() }
    }

    private mutating func shared(_ own: Placement) -> Placement {
        if let known = placements[own.content] { return known }
        placements[own.content] = own
        return own
    }

    /// Forgets what no endpoint uses any more: nodes come and go for as long as the process runs.
    private mutating func sweep() {
        var unused: [Placement.Content] = []
        var index = placements.startIndex
        while index != placements.endIndex {
            if isKnownUniquelyReferenced(&placements.values[index]) { unused.append(placements.keys[index]) }
            placements.formIndex(after: &index)
        }
        for content in unused { placements[content] = nil }
        sweepAt = max(1024, 2 * placements.count)
    }
}
