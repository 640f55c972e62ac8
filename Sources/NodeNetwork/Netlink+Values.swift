import CRtnetlink
import Netlink
import Glibc
import ServiceModel

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
            isLoopback: head.ifi_flags & UInt32(IFF_LOOPBACK) != 0,
            hasEthernetHeader: head.ifi_type == ARPHRD_ETHER,
            mtu: attributes.value(IFLA_MTU, UInt32.self) ?? 0)
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
        self.init(
            link: LinkIndex(rawValue: head.ifa_index), address: address, prefixLength: head.ifa_prefixlen,
            scope: RouteScope(rawValue: head.ifa_scope),
            // The kernel takes packets for an optimistic address from the first moment on.
            isTentative: has(IFA_F_DADFAILED) || (has(IFA_F_TENTATIVE) && !has(IFA_F_OPTIMISTIC)),
            isDeprecated: has(IFA_F_DEPRECATED), isSecondary: has(IFA_F_SECONDARY))
    }
}

extension DefaultRoute {
    /// The default routes in a message, one for each next hop; nil when it is about another route.
    static func all(_ message: NetlinkMessage) -> [DefaultRoute]? {
        guard message.type == RTM_NEWROUTE || message.type == RTM_DELROUTE,
            let (head, attributes) = message.parts(rtmsg.self), head.rtm_dst_len == 0, head.rtm_type == RTN_UNICAST,
            let family = IPFamily(addressFamily: Int32(head.rtm_family)),
            // The fixed part cannot hold numbers above 255.
            attributes.value(RTA_TABLE.rawValue, UInt32.self) ?? UInt32(head.rtm_table) == RT_TABLE_MAIN.rawValue
        else { return nil }
        let single = attributes.value(RTA_OIF.rawValue, UInt32.self).map { [$0] }
        let links = single ?? attributes[RTA_MULTIPATH.rawValue].map(nextHops) ?? []
        return links.map { DefaultRoute(link: LinkIndex(rawValue: $0), family: family) }
    }

    private static func nextHops(_ bytes: ArraySlice<UInt8>) -> [UInt32] {
        var links: [UInt32] = []
        var rest = bytes
        while let hop = rest.value(rtnexthop.self), hop.rtnh_len >= MemoryLayout<rtnexthop>.size {
            links.append(UInt32(bitPattern: hop.rtnh_ifindex))
            rest = rest.dropFirst(Int(hop.rtnh_len + 3) & ~3)
        }
        return links
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
    init?(networkOrder bytes: ArraySlice<UInt8>) {
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
