package import Netlink
package import ServiceModel

/// The links, addresses and routes of a network namespace at one moment.
package struct NetworkSnapshot: Hashable, Sendable {
    /// By index.
    package var links: [NetworkLink]
    /// By link, then in the order of the kernel, in which it looks for a source address.
    package var addresses: [LinkAddress]
    /// Of the main table.
    package let routes: RouteTable
    /// What IPsec says of packets that leave or pass.
    package let policies: [IPsecPolicy]
    /// Why `policies` is empty; nil if they could be read.
    package let unreadablePolicies: NetworkError?

    package init(
        links: [NetworkLink] = [], addresses: [LinkAddress] = [], routes: [NetworkRoute] = [],
        policies: Result<[IPsecPolicy], NetworkError> = .success([])
    ) {
        self.links = links
        self.addresses = addresses
        self.routes = RouteTable(routes)
        switch policies {
        case .success(let policies): (self.policies, unreadablePolicies) = (policies, nil)
        case .failure(let error): (self.policies, unreadablePolicies) = ([], error.meansNoIPsec ? nil : error)
        }
    }

    /// Destinations that packets with an address of this node may not simply be sent to.
    package var closedRanges: [CIDR] { policies.closedRanges(for: addresses.map(\.address)) }

    /// By link; several routes of different metrics are one, and one with several next hops counts for each link.
    package var defaultRoutes: [DefaultRoute] {
        let found = routes.defaults.compactMap { route in
            route.link.map { DefaultRoute(link: $0, family: route.destination.family) }
        }
        return Set(found).sorted { ($0.link, $0.family) < ($1.link, $1.family) }
    }

    /// Where pods of this node are by its routes: what lies behind devices that lead to network namespaces, and is no way out.
    package var podRoutes: [CIDR] {
        let outward = Set(defaultRoutes.map(\.link))
        let inward = Set(
            links.filter { Self.podKinds.contains($0.kind ?? "") && !outward.contains($0.index) }.map(\.index))
        return Set(
            routes.routes.filter { $0.gateway == nil && $0.link.map(inward.contains) == true }.map(\.destination)
        )
        .filter { !$0.network.isLinkLocal && !$0.network.isMulticast && $0.prefixLength > 0 }.sorted()
    }

    /// Addresses that a listener of this node may be bound to on purpose: not loopback's, and not those of `kube-ipvs0`, which
    /// holds every Service's for kube-proxy.
    package var heldAddresses: [IPAddress] {
        let ipvs = link(named: "kube-ipvs0")?.index
        let held = addresses.filter { $0.isUsable && $0.link != ipvs }.map(\.address)
        return Set(held.filter { !$0.isLoopback && !$0.isLinkLocal }).sorted()
    }

    private static let podKinds: Set<String> = ["veth", "bridge", "macvlan", "ipvlan", "tun"]

    package func link(named name: String) -> NetworkLink? { links.first { $0.name == name } }
    package func link(_ index: LinkIndex) -> NetworkLink? { links.first { $0.index == index } }

    /// Whether a route is the default one: nothing better is known of what it leads to. A router that is this node is none.
    package func isDefault(_ route: Route, to address: IPAddress) -> Bool {
        let defaults = routes.defaults.filter { $0.destination.family == address.family && $0.link == route.link }
        guard !route.isLocal, defaults.contains(where: { $0.gateway == route.gateway }) else { return false }
        if let gateway = route.gateway { return !addresses.contains { $0.address == gateway } }
        return routes.routes.last { $0.destination.contains(address) }?.destination.prefixLength == 0
    }

    /// The addresses at which this node can be reached, loopback included; link-local ones mean nothing without a
    /// device and are left out.
    package var usableAddresses: [IPAddress] {
        Set(addresses.filter { $0.isUsable && !$0.address.isLinkLocal }.map(\.address)).sorted()
    }
}

/// The kernel's number for a link, of which a network namespace never uses one twice at a time.
package struct LinkIndex: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static func < (left: LinkIndex, right: LinkIndex) -> Bool { left.rawValue < right.rawValue }
}

/// A network device as the kernel describes it.
package struct NetworkLink: Hashable, Sendable {
    package var index: LinkIndex
    package var name: String
    /// The driver's word for it, as `ip -details link` shows: "veth", "vlan", "wireguard"; nil for plain hardware.
    package var kind: String?
    /// The word of the device that it is a port of: "bridge", "bond".
    package var portKind: String?
    /// The device that it is a port of.
    package var master: LinkIndex?
    /// Administratively up, with or without a carrier.
    package var isUp: Bool
    /// It can pass packets: a cable is in, or the other end is up.
    package var hasCarrier: Bool
    package var isLoopback: Bool
    /// Whether packets begin with an Ethernet header (ARPHRD_ETHER), or with the IP header at once.
    package var hasEthernetHeader: Bool
    package var mtu: UInt32
    /// The other end of a veth, by its number in that one's network namespace; what lies below a vlan or macvlan.
    package var peer: LinkIndex?
    /// A program of XDP on it, which sees packets before all others.
    package var xdpProgram: UInt32?

    package init(
        index: LinkIndex, name: String, kind: String? = nil, portKind: String? = nil, master: LinkIndex? = nil,
        isUp: Bool = true, hasCarrier: Bool = true, isLoopback: Bool = false, hasEthernetHeader: Bool = true,
        mtu: UInt32 = 1500
    ) {
        self.index = index
        self.name = name
        self.kind = kind
        self.portKind = portKind
        self.master = master
        self.isUp = isUp
        self.hasCarrier = hasCarrier
        self.isLoopback = isLoopback
        self.hasEthernetHeader = hasEthernetHeader
        self.mtu = mtu
    }
}

/// An address of a link.
package struct LinkAddress: Hashable, Sendable {
    package var link: LinkIndex
    package var address: IPAddress
    /// The other end, on a link between two; the prefix is its then.
    package var peer: IPAddress?
    package var prefixLength: UInt8
    package var scope: RouteScope
    /// Duplicate address detection is running, or has failed: the address is not ours yet.
    package var isTentative: Bool
    /// Valid for existing connections, not to be chosen for new ones.
    package var isDeprecated: Bool
    /// Not the first of its subnet (IPv4), or made for privacy (IPv6).
    package var isSecondary: Bool

    package init(
        link: LinkIndex, address: IPAddress, peer: IPAddress? = nil, prefixLength: UInt8, scope: RouteScope = .global,
        isTentative: Bool = false, isDeprecated: Bool = false, isSecondary: Bool = false
    ) {
        self.link = link
        self.address = address
        self.peer = peer
        self.prefixLength = prefixLength
        self.scope = scope
        self.isTentative = isTentative
        self.isDeprecated = isDeprecated
        self.isSecondary = isSecondary
    }

    package var family: IPFamily { address.family }
    /// Whether the kernel takes packets for it. A deprecated address is one that does.
    package var isUsable: Bool { !isTentative }
    /// The addresses that are its neighbours.
    var subnet: CIDR? { CIDR(network: peer ?? address, prefixLength: Int(prefixLength)) }
}

/// How far an address or a route is valid, as the kernel counts: the higher, the nearer.
package struct RouteScope: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static func < (left: RouteScope, right: RouteScope) -> Bool { left.rawValue < right.rawValue }

    package static let global = RouteScope(rawValue: 0)
    package static let site = RouteScope(rawValue: 200)
    package static let link = RouteScope(rawValue: 253)
    package static let host = RouteScope(rawValue: 254)
}

/// A route for everything that has no better one.
package struct DefaultRoute: Hashable, Sendable {
    package var link: LinkIndex
    package var family: IPFamily

    package init(link: LinkIndex, family: IPFamily) {
        self.link = link
        self.family = family
    }
}
