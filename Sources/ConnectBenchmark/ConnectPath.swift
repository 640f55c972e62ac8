package import NetworkLab

/// One way to connect that is measured: where from, and where to.
package struct ConnectPath: Sendable {
    package enum Kind: String, Sendable {
        case direct
        /// The same as `direct`: shows what the method itself reads as a ratio of equal things.
        case control
        /// To one frontend.
        case vip
        /// To a random one of all frontends.
        case random
        /// Direct, from outside the cgroup that has the hooks.
        case unhooked
        case nftables
        case iptables
        /// To a frontend whose backend is a pod of the node that translates.
        case localVIP
        /// Direct, past programs that translate other packets.
        case passing
        /// Direct, past programs that do nothing.
        case empty
    }

    package let kind: Kind
    /// Path of the network namespace to connect from; the process's own if there is none.
    var namespace: String?
    /// Path of the cgroup to connect from; stays where it is if there is none.
    var cgroup: String?
    /// Source addresses, taken in turn; the kernel chooses if there are none.
    var sources: [SocketAddress] = []
    var destinations: [SocketAddress]

    package init(
        kind: Kind, namespace: String? = nil, cgroup: String? = nil, sources: [SocketAddress] = [],
        destinations: [SocketAddress]
    ) {
        self.kind = kind
        self.namespace = namespace
        self.cgroup = cgroup
        self.sources = sources
        self.destinations = destinations
    }
}
