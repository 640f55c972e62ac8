import CRtnetlink
package import Netlink
import Glibc
import ServiceModel
import SystemPackage

extension NetworkSnapshot {
    /// Reads the network namespace of the calling thread once.
    package static func read() throws(NetworkError) -> NetworkSnapshot {
        try read(from: NetlinkSocket(), Result { () throws(NetworkError) in try IPsecSocket() })
    }

    /// How often a dump is begun anew when something changed in its middle.
    private static let attempts = 20

    /// - Parameter ipsec: the socket to ask for policies, or why there is none.
    static func read(
        from socket: borrowing NetlinkSocket, _ ipsec: Result<IPsecSocket, NetworkError>
    ) throws(NetworkError) -> NetworkSnapshot {
        let links = try dump(RTM_GETLINK, ifinfomsg(), from: socket, "links", NetworkLink.init)
        let addresses = try dump(RTM_GETADDR, ifaddrmsg(), from: socket, "addresses", LinkAddress.init)
        let routes = try dump(RTM_GETROUTE, rtmsg(), from: socket, "routes", NetworkRoute.all)
        return NetworkSnapshot(
            links: links.sorted { $0.index < $1.index },
            addresses: addresses.enumerated().sorted { ($0.element.link, $0.offset) < ($1.element.link, $1.offset) }
                .map(\.element),
            routes: Array(routes.joined()),
            policies: Result { () throws(NetworkError) in try ipsec.get().policies() })
    }

    /// What the kernel lists, without what `read` knows nothing of.
    private static func dump<Head: BitwiseCopyable, Value>(
        _ type: Int, _ head: Head, from socket: borrowing NetlinkSocket, _ subject: String,
        _ read: (NetlinkMessage) -> Value?
    ) throws(NetworkError) -> [Value] {
        for _ in 0..<attempts {
            var values: [Value] = []
            let request = NetlinkRequest(type, flags: NLM_F_ROOT | NLM_F_MATCH, head)
            if try socket.ask(request, for: subject, { if let value = read($0) { values.append(value) } }) {
                return values
            }
        }
        throw NetworkError(.read, subject, .resourceTemporarilyUnavailable)
    }
}
