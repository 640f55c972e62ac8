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

    /// Why there is no usable endpoint in this family.
    func emptyReason(family: IPFamily, hasCandidates: Bool, usable: UsableEndpoints) -> EmptyReason {
        if usable.existAnywhere { return .notOnThisNode }
        if hasCandidates { return .notReady }
        let endpointsOfFamily = slices.contains { slice in
            slice.family == family && slice.endpoints.contains { $0.address.family == family }
        }
        if endpointsOfFamily { return .noMatchingPort }
        // The slice controller leaves an empty slice behind where a selector matches nothing.
        return hasSelector && slices.allSatisfy(\.endpoints.isEmpty) ? .selectorMatchesNothing : .noEndpoints
    }
}

extension [ServiceEndpoints.Candidate] {
    /// Of duplicates one that does not terminate wins, then the one that came first (spec 9).
    fileprivate func sortedAndDistinct() -> Self {
        if count < 2 { return self }
        let order = indices.sorted { left, right in
            let (first, second) = (self[left], self[right])
            if first.endpoint.address != second.endpoint.address {
                return first.endpoint.address < second.endpoint.address
            }
            if first.port != second.port { return first.port < second.port }
            if first.endpoint.terminating != second.endpoint.terminating { return second.endpoint.terminating }
            return left < right
        }
        var distinct: Self = []
        distinct.reserveCapacity(count)
        for candidate in order.lazy.map({ self[$0] }) {
            if let last = distinct.last, last.endpoint.address == candidate.endpoint.address,
                last.port == candidate.port
            {
                continue
            }
            distinct.append(candidate)
        }
        return distinct
    }
}
