import CRtnetlink
package import Netlink
import Glibc
package import ServiceModel
import SystemPackage

/// The way that the kernel would send a packet.
package struct Route: Hashable, Sendable {
    /// The device that the packet leaves by; the loopback for an address of this node.
    package let link: LinkIndex
    /// The source address that the kernel would give it.
    package let source: IPAddress?
    /// The next router; nil when the destination is a neighbour.
    package let gateway: IPAddress?
    /// Whether the destination is this node.
    package let isLocal: Bool

    /// Asks the network namespace of the calling thread; nil when there is no way, or the way is forbidden.
    ///
    /// - Parameters:
    ///   - link: only ways through this device, as its own source address is asked for.
    ///   - source: of a packet that is forwarded.
    ///   - arrival: the device that such a packet comes by.
    package static func find(
        to destination: IPAddress, by link: LinkIndex? = nil, from source: IPAddress? = nil,
        arrivingBy arrival: LinkIndex? = nil
    ) throws(NetworkError) -> Route? {
        var head = rtmsg()
        head.rtm_family = UInt8(destination.family.addressFamily)
        head.rtm_dst_len = UInt8(destination.family.bitWidth)
        if source != nil { head.rtm_src_len = head.rtm_dst_len }
        var request = NetlinkRequest(RTM_GETROUTE, head)
        request.append(destination.bytes, as: RTA_DST.rawValue)
        if let source { request.append(source.bytes, as: RTA_SRC.rawValue) }
        if let arrival { request.append(withUnsafeBytes(of: arrival.rawValue, Array.init), as: RTA_IIF.rawValue) }
        if let link { request.append(withUnsafeBytes(of: link.rawValue, Array.init), as: RTA_OIF.rawValue) }
        var route: Route?
        do throws(NetworkError) {
            _ = try NetlinkSocket().ask(request, for: "route to \(destination)") { route = Route($0) }
        } catch  where refusals.contains(error.cause) {
            return nil
        }
        return route
    }

    /// The source address that the kernel gives to packets towards a destination.
    package static func sourceAddress(
        towards destination: IPAddress, by link: LinkIndex? = nil
    ) throws(NetworkError) -> IPAddress? {
        try find(to: destination, by: link)?.source
    }

    /// No route, and what the kernel answers to routes of the types unreachable, prohibit and blackhole.
    private static let refusals: Set<Errno> = [
        .networkUnreachable, .noRouteToHost, .permissionDenied, .invalidArgument,
    ]

    private init?(_ message: NetlinkMessage) {
        guard message.type == RTM_NEWROUTE, let (head, attributes) = message.parts(rtmsg.self),
            head.rtm_type == RTN_UNICAST || head.rtm_type == RTN_LOCAL,
            let link = attributes.value(RTA_OIF.rawValue, UInt32.self)
        else { return nil }
        self.link = LinkIndex(rawValue: link)
        source = attributes[RTA_PREFSRC.rawValue].flatMap(IPAddress.init(networkOrder:))
        gateway = attributes[RTA_GATEWAY.rawValue].flatMap(IPAddress.init(networkOrder:))
        isLocal = head.rtm_type == RTN_LOCAL
    }
}
