package import ServiceModel

/// A route of the main table, to one next hop.
package struct NetworkRoute: Hashable, Sendable {
    package var destination: CIDR
    /// Nil for a route that says there is no way: blackhole, unreachable, prohibit.
    package var link: LinkIndex?
    /// The next router, if it has an address of the same family.
    package var gateway: IPAddress?
    /// The source address that it asks for.
    package var source: IPAddress?
    package var scope: RouteScope
    /// The kernel takes the lowest of those with one destination.
    package var metric: UInt32

    package init(
        destination: CIDR, link: LinkIndex?, gateway: IPAddress? = nil, source: IPAddress? = nil,
        scope: RouteScope = .global, metric: UInt32 = 0
    ) {
        self.destination = destination
        self.link = link
        self.gateway = gateway
        self.source = source
        self.scope = scope
        self.metric = metric
    }

    /// To one neighbour, as a routed CNI has one for each pod.
    var isToNeighbor: Bool { gateway == nil && link != nil && destination.prefixLength == destination.family.bitWidth }
}

/// Routes, to be asked for the way to an address.
package struct RouteTable: Hashable, Sendable {
    /// Shorter prefixes first, of one prefix those with the lowest metric.
    package let routes: [NetworkRoute]
    /// The places of the routes to each destination in `routes`.
    private let places: [CIDR: Range<Int>]
    /// The lengths that there are, the longest first.
    private let lengths4: [Int]
    private let lengths6: [Int]

    package init(_ routes: [NetworkRoute] = []) {
        self.routes = routes.enumerated().sorted { left, right in
            let (one, other) = (left.element, right.element)
            if one.destination != other.destination { return one.destination.comes(before: other.destination) }
            return (one.metric, left.offset) < (other.metric, right.offset)
        }.map(\.element)
        var places: [CIDR: Range<Int>] = [:]
        for (index, route) in self.routes.enumerated() {
            places[route.destination] = (places[route.destination]?.lowerBound ?? index)..<(index + 1)
        }
        self.places = places
        func lengths(_ family: IPFamily) -> [Int] {
            Set(places.keys.lazy.filter { $0.family == family }.map(\.prefixLength)).sorted(by: >)
        }
        (lengths4, lengths6) = (lengths(.v4), lengths(.v6))
    }

    /// The best routes to an address: those with the longest prefix and the lowest metric, one for each next hop.
    package func best(to address: IPAddress) -> ArraySlice<NetworkRoute> {
        for length in address.family == .v4 ? lengths4 : lengths6 {
            guard let key = CIDR(network: address, prefixLength: length), let range = places[key] else { continue }
            let metric = routes[range.lowerBound].metric
            return routes[range].prefix { $0.metric == metric }
        }
        return []
    }

    /// Those for everything that has no better one.
    package var defaults: some Sequence<NetworkRoute> { routes.prefix { $0.destination.prefixLength == 0 } }

    package static func == (left: RouteTable, right: RouteTable) -> Bool { left.routes == right.routes }
    package func hash(into hasher: inout Hasher) { hasher.combine(routes) }
}

extension CIDR {
    /// Shorter prefixes first.
    fileprivate func comes(before other: CIDR) -> Bool {
        (prefixLength, network) < (other.prefixLength, other.network)
    }
}
