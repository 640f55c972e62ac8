import CRtnetlink
import Netlink
import Glibc
package import ServiceModel

extension NetworkLink {
    /// Nil for a message about something else.
    init?(_ message: NetlinkMessage) {
        guard message.type == RTM_NEWLINK, let (head, attributes) = message.parts(ifinfomsg.self),
            // Bridges tell of their ports in messages of this type, too.
            head.ifi_family == AF_UNSPEC, head.ifi_index > 0, let name = attributes.text(IFLA_IFNAME)
        else { return nil }
        let information = attributes.nested(IFLA_LINKINFO)
        self.init(
            index: LinkIndex(rawValue: UInt32(head.ifi_index)), name: name,
            kind: information?.text(IFLA_INFO_KIND), portKind: information?.text(IFLA_INFO_SLAVE_KIND),
            master: attributes.value(IFLA_MASTER, UInt32.self).map(LinkIndex.init(rawValue:)),
            isUp: head.ifi_flags & UInt32(IFF_UP) != 0,
            hasCarrier: head.ifi_flags & UInt32(IFF_RUNNING) != 0,
            isLoopback: head.ifi_flags & UInt32(IFF_LOOPBACK) != 0,
            hasEthernetHeader: head.ifi_type == ARPHRD_ETHER,
            mtu: attributes.value(IFLA_MTU, UInt32.self) ?? 0)
        peer = attributes.value(IFLA_LINK, UInt32.self).map(LinkIndex.init(rawValue:))
        xdpProgram = attributes.nested(IFLA_XDP)?.value(IFLA_XDP_PROG_ID, UInt32.self).flatMap { $0 == 0 ? nil : $0 }
    }
}

extension LinkAddress {
    /// Nil for a message about something else.
    init?(_ message: NetlinkMessage) {
        guard message.type == RTM_NEWADDR, let (head, attributes) = message.parts(ifaddrmsg.self),
            // On a link between two, IFA_ADDRESS is the other end's.
            let bytes = attributes[IFA_LOCAL] ?? attributes[IFA_ADDRESS], let address = IPAddress(networkOrder: bytes)
        else { return nil }
        // The fixed part has room for the first eight flags only.
        let flags = attributes.value(IFA_FLAGS, UInt32.self) ?? UInt32(head.ifa_flags)
        func has(_ flag: Int32) -> Bool { flags & UInt32(flag) != 0 }
        let other = attributes[IFA_ADDRESS].flatMap(IPAddress.init(networkOrder:))
        self.init(
            link: LinkIndex(rawValue: head.ifa_index), address: address, peer: other == address ? nil : other,
            prefixLength: head.ifa_prefixlen,
            scope: RouteScope(rawValue: head.ifa_scope),
            // The kernel takes packets for an optimistic address from the first moment on.
            isTentative: has(IFA_F_DADFAILED) || (has(IFA_F_TENTATIVE) && !has(IFA_F_OPTIMISTIC)),
            isDeprecated: has(IFA_F_DEPRECATED), isSecondary: has(IFA_F_SECONDARY))
    }
}

extension NetworkRoute {
    /// The routes in a message, one for each next hop; nil when it is about no route of the main table.
    static func all(_ message: NetlinkMessage) -> [NetworkRoute]? {
        guard message.type == RTM_NEWROUTE || message.type == RTM_DELROUTE,
            let (head, attributes) = message.parts(rtmsg.self), leadsSomewhere[head.rtm_type] != nil,
            // A copy that the kernel made of another route, for one destination.
            head.rtm_flags & UInt32(RTM_F_CLONED) == 0,
            let family = IPFamily(addressFamily: Int32(head.rtm_family)),
            // The fixed part cannot hold numbers above 255.
            attributes.value(RTA_TABLE.rawValue, UInt32.self) ?? UInt32(head.rtm_table) == RT_TABLE_MAIN.rawValue,
            let destination = CIDR(
                network: attributes[RTA_DST.rawValue].flatMap(IPAddress.init(networkOrder:)) ?? .unspecified(family),
                prefixLength: Int(head.rtm_dst_len))
        else { return nil }
        var route = NetworkRoute(
            destination: destination, link: nil,
            source: attributes[RTA_PREFSRC.rawValue].flatMap(IPAddress.init(networkOrder:)),
            scope: RouteScope(rawValue: head.rtm_scope),
            metric: attributes.value(RTA_PRIORITY.rawValue, UInt32.self) ?? 0)
        if leadsSomewhere[head.rtm_type] == false { return [route] }
        if let hops = attributes[RTA_MULTIPATH.rawValue] { return nextHops(hops, of: route) }
        guard let link = attributes.value(RTA_OIF.rawValue, UInt32.self) else { return nil }
        route.lead(by: link, attributes)
        return [route]
    }

    /// The types that end the search for a route, and whether they lead to a device.
    private static let leadsSomewhere: [UInt8: Bool] = [
        UInt8(RTN_UNICAST): true, UInt8(RTN_BLACKHOLE): false, UInt8(RTN_UNREACHABLE): false,
        UInt8(RTN_PROHIBIT): false,
    ]

    private mutating func lead(by index: UInt32, _ attributes: NetlinkAttributes) {
        link = LinkIndex(rawValue: index)
        // An IPv4 route by an IPv6 router has RTA_VIA, which says nothing of a source.
        gateway = attributes[RTA_GATEWAY.rawValue].flatMap(IPAddress.init(networkOrder:))
    }

    private static func nextHops(_ bytes: ArraySlice<UInt8>, of route: NetworkRoute) -> [NetworkRoute] {
        let headSize = MemoryLayout<rtnexthop>.size
        var routes: [NetworkRoute] = []
        var rest = bytes
        while let hop = rest.value(rtnexthop.self), hop.rtnh_len >= headSize {
            var route = route
            let attributes = NetlinkAttributes(bytes: rest.prefix(Int(hop.rtnh_len)).dropFirst(headSize))
            route.lead(by: UInt32(bitPattern: hop.rtnh_ifindex), attributes)
            routes.append(route)
            rest = rest.dropFirst(Int(hop.rtnh_len + 3) & ~3)
        }
        return routes
    }
}

extension IPFamily {
    init?(addressFamily: Int32) {
        switch addressFamily {
        case AF_INET: self = .v4
        case AF_INET6: self = .v6
        default: return nil
        }
    }

    var addressFamily: Int32 {
        switch self {
        case .v4: AF_INET
        case .v6: AF_INET6
        }
    }
}

extension IPAddress {
    /// From the four or sixteen bytes of a message.
    package init?(networkOrder bytes: ArraySlice<UInt8>) {
        switch bytes.count {
        case 4: self.init(v4: bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            self.init(
                v6: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
                bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
        default: return nil
        }
    }
}

extension IPAddress {
    static func unspecified(_ family: IPFamily) -> IPAddress {
        switch family {
        case .v4: IPAddress(v4: 0)
        case .v6: IPAddress(v6: 0, 0)
        }
    }
}
