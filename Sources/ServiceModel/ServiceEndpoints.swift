/// The endpoints of a Service, merged from its slices.
struct ServiceEndpoints {
    /// An endpoint with the number of the port that a service port leads to.
    struct Candidate {
        var endpoint: Endpoint
        var port: Port
    }

    /// Sorted by name.
    private let slices: [EndpointSlice]
    private let hasSelector: Bool

    init(slices: [EndpointSlice], hasSelector: Bool) {
        let translatable = slices.allSatisfy(\.isTranslatable) ? slices : slices.filter(\.isTranslatable)
        self.slices = translatable.count < 2 ? translatable : translatable.sorted { $0.name < $1.name }
        self.hasSelector = hasSelector
    }

    /// The endpoints with a port of that name and protocol (spec 6), sorted by address and port, each once (spec 9).
    func candidates(for port: Service.PortSpec, family: IPFamily) -> [Candidate] {
        var candidates: [Candidate] = []
        for slice in slices where slice.family == family {
            for match in slice.ports where match.name == port.name && match.proto == port.proto {
                candidates.reserveCapacity(candidates.count + slice.endpoints.count)
                for endpoint in slice.endpoints where endpoint.address.family == family {
                    candidates.append(Candidate(endpoint: endpoint, port: match.port))
                }
            }
        }
        return candidates.sortedAndDistinct()
    }

    /// How many distinct addresses of ready endpoints are on this node (spec 45): those of the family that has more, since
    /// a pod of a dual-stack Service has one of each.
    func localReadyCount(on node: NodeConfiguration) -> Int {
        let ready = slices.lazy.flatMap(\.endpoints).filter { $0.ready && $0.isLocal(to: node) }
        let byFamily = Dictionary(grouping: Set(ready.map(\.address)), by: \.family)
        return byFamily.values.map(\.count).max() ?? 0
    }

    /// Why there is no usable endpoint in this family.
    func emptyReason(family: IPFamily, hasCandidates: Bool, usable: UsableEndpoints) -> EmptyReason {
        if usable.existAnywhere { return .notOnThisNode }
        if hasCandidates { return .notReady }
        let isOfFamily = { (slice: EndpointSlice) in
            slice.family == family && slice.endpoints.contains { $0.address.family == family }
        }
        if slices.contains(where: isOfFamily) { return .noMatchingPort }
        if slices.contains(where: { !$0.endpoints.isEmpty }) { return .otherFamily }
        if !hasSelector { return .noEndpoints }
        // The slice controller leaves an empty slice behind where no pod that matches has an address.
        return slices.isEmpty ? .noSlice : .selectorMatchesNothing
    }
}

extension [ServiceEndpoints.Candidate] {
    /// Of duplicates one that does not terminate wins, then the one that came first (spec 9).
    fileprivate func sortedAndDistinct() -> Self {
        if count < 2 { return self }
        let ranks = indices.map { Rank(self[$0], index: $0) }.sorted()
        var distinct: Self = []
        distinct.reserveCapacity(count)
        for (position, rank) in ranks.enumerated() {
            if position > 0, rank.isDuplicate(of: ranks[position - 1]) { continue }
            distinct.append(self[rank.index])
        }
        return distinct
    }
}

/// What candidates are sorted by: plain bytes, because copies of an endpoint count references.
private struct Rank: Comparable {
    let address: IPAddress
    let port: Port
    let terminating: Bool
    let index: Int

    init(_ candidate: ServiceEndpoints.Candidate, index: Int) {
        address = candidate.endpoint.address
        port = candidate.port
        terminating = candidate.endpoint.terminating
        self.index = index
    }

    func isDuplicate(of other: Rank) -> Bool { address == other.address && port == other.port }

    static func < (left: Rank, right: Rank) -> Bool {
        if left.address != right.address { return left.address < right.address }
        if left.port != right.port { return left.port < right.port }
        if left.terminating != right.terminating { return right.terminating }
        return left.index < right.index
    }
}
