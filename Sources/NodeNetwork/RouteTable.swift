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

/// Routes, to be asked for the way to addresses.
package struct RouteTable: Hashable, Sendable {
    /// Shorter prefixes first, of one prefix those with the lowest metric.
    package let routes: [NetworkRoute]

    package init(_ routes: [NetworkRoute] = []) {
        self.routes = routes.enumerated().sorted { left, right in
            let (one, other) = (left.element, right.element)
            if one.destination != other.destination { return one.destination.comes(before: other.destination) }
            return (one.metric, left.offset) < (other.metric, right.offset)
        }.map(\.element)
    }

    /// The best routes to many addresses, which are asked for in ascending order.
    package var walk: Walk { Walk(over: routes) }

    package struct Walk: Sendable {
        /// The best routes to each destination: by its first address, a wider one before those within it.
        private var ahead: ArraySlice<ArraySlice<NetworkRoute>>
        /// Those to destinations that hold the address which was asked for last, each within the one before.
        private var around: [ArraySlice<NetworkRoute>] = []

        fileprivate init(over routes: [NetworkRoute]) {
            var groups: [ArraySlice<NetworkRoute>] = []
            var rest = routes[...]
            while let first = rest.first {
                let group = rest.prefix { $0.destination == first.destination }
                groups.append(group.prefix { $0.metric == first.metric })
                rest = rest.dropFirst(group.count)
            }
            func start(_ group: ArraySlice<NetworkRoute>) -> (IPAddress, Int) {
                let destination = group[group.startIndex].destination
                return (destination.network, destination.prefixLength)
            }
            ahead = groups.sorted { start($0) < start($1) }[...]
        }

        /// Those with the longest prefix and the lowest metric, one for each next hop.
        package mutating func best(to address: IPAddress) -> ArraySlice<NetworkRoute> {
            while let next = ahead.first, let network = next.first?.destination.network, network <= address {
                leave(for: network)
                around.append(next)
                ahead.removeFirst()
            }
            leave(for: address)
            return around.last ?? []
        }

        private mutating func leave(for address: IPAddress) {
            while let last = around.last?.first, !last.destination.contains(address) { around.removeLast() }
        }
    }

    /// Those for everything that has no better one.
    package var defaults: some Sequence<NetworkRoute> { routes.prefix { $0.destination.prefixLength == 0 } }
}

extension CIDR {
    /// Shorter prefixes first.
    fileprivate func comes(before other: CIDR) -> Bool {
        (prefixLength, network) < (other.prefixLength, other.network)
    }
}
