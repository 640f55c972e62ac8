package import ServiceModel

/// The devices by which endpoints are reached: which lead to this node's pods, and which to others.
package struct EndpointDevices: Hashable, Sendable {
    /// Endpoints that have something in common.
    package struct Group: Hashable, Sendable {
        package private(set) var count = 0
        /// The first few by number.
        package private(set) var examples: [IPAddress] = []

        private static let most = 3

        package init() {}

        mutating func insert(_ address: IPAddress) {
            count += 1
            if let last = examples.last, examples.count == Self.most, last < address { return }
            examples.insert(address, at: examples.firstIndex { address < $0 } ?? examples.endIndex)
            if examples.count > Self.most { examples.removeLast() }
        }
    }

    /// By what is known of where an endpoint runs. Of one address the first of these counts that is said: what leads
    /// elsewhere, too, is no device of pods.
    package enum Place: UInt8, Hashable, Sendable {
        case otherNode
        case thisNode
        /// It has no node name: the slice was written by hand. A neighbour on a bridge or a pair of virtual devices is taken
        /// for a pod of this node, all else for something outside the cluster.
        case unknown
    }

    package struct Endpoint: Sendable {
        package var address: IPAddress
        package var place: Place

        package init(_ address: IPAddress, _ place: Place) {
            self.address = address
            self.place = place
        }
    }

    /// Devices to endpoints of this node.
    package private(set) var here: [LinkIndex: Group] = [:]
    /// Devices to endpoints that are elsewhere.
    package private(set) var elsewhere: [LinkIndex: Group] = [:]
    /// There is no way to these.
    package private(set) var unreachable = Group()

    package init() {}

    /// - Parameter endpoints: those of all Services.
    package init(of endpoints: consuming [Endpoint], in network: NetworkSnapshot) {
        // A large cluster has 100,000 of them: no table of addresses is built, and none of routes asked for each.
        endpoints.sort {
            $0.address == $1.address ? $0.place.rawValue < $1.place.rawValue : $0.address < $1.address
        }
        let own = Set(network.addresses.map(\.address))
        let virtual = Set(network.links.filter { Self.kindsOfPods.contains($0.kind ?? "") }.map(\.index))
        var walk = network.routes.walk
        var last: IPAddress?
        for endpoint in endpoints where endpoint.address != last {
            let (address, place) = (endpoint.address, endpoint.place)
            last = address
            if own.contains(address) || address.isLoopback { continue }
            let routes = walk.best(to: address)
            var known: Set<LinkIndex> = []
            for route in routes {
                guard let link = route.link, known.insert(link).inserted else { continue }
                let isPod = place == .unknown && route.gateway == nil && virtual.contains(link)
                if place == .thisNode || isPod {
                    here[link, default: Group()].insert(address)
                } else {
                    elsewhere[link, default: Group()].insert(address)
                }
            }
            if known.isEmpty { unreachable.insert(address) }
        }
    }

    /// What a CNI makes for pods of this node.
    private static let kindsOfPods: Set<String> = ["bridge", "veth", "tun", "netkit", "macvlan", "ipvlan"]

    /// Whether there is no endpoint at all.
    package var isEmpty: Bool { here.isEmpty && elsewhere.isEmpty && unreachable.count == 0 }

    /// Whether another set chooses the same devices.
    package func choosesLike(_ other: EndpointDevices) -> Bool {
        Set(here.keys) == Set(other.here.keys) && Set(elsewhere.keys) == Set(other.elsewhere.keys)
    }
}

extension EndpointDevices.Group: CustomStringConvertible {
    /// "2 endpoints (10.0.0.1, 10.0.0.2)", "40 endpoints (10.0.0.1, 10.0.0.2, 10.0.0.3, …)".
    package var description: String {
        let shown = examples.map { "\($0)" } + (count > examples.count ? ["…"] : [])
        return "\(count == 1 ? "1 endpoint" : "\(count) endpoints") (\(shown.joined(separator: ", ")))"
    }
}
