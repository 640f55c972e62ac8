/// Two nodes with pods, and clients beyond a router: what arrives at a node from elsewhere, and leaves it again.
///
/// ```
/// client 198.51.100.2-9 ── 198.51.100.1  router  192.0.2.254 ─┬─ eth0 192.0.2.1  node 1 ── pods 10.244.1.11-13
///        2001:db8:1::2-9   2001:db8:1::1         2001:db8::fe │       2001:db8::1          fd00:10:244:1::11-13
///                                                             └─ eth0 192.0.2.2  node 2 ── pods 10.244.2.11-12
///                                                                     2001:db8::2          fd00:10:244:2::11-12
/// ```
/// The nodes are neighbours and know the way to each other's pods; everything else goes through the router. It sends
/// what is for pods to their node, and for the service addresses (10.96.0.0/16, fd00:10:96::/112, 203.0.113.0/24,
/// 2001:db8:2::/64) to node 1, as a border router or an appliance in front would.
package struct RoutedTopology: ~Copyable, Sendable {
    /// How a node's pods are attached to it.
    package enum PodNetwork: Sendable {
        /// Each veth pair is a link of its own with a host route, as the ptp plugin does.
        case routed
        /// All on one bridge, as the bridge plugin does.
        case bridged
        /// By a plugin itself. The first pod has port 8080 also at port 9080 of its node.
        case plugin(PodPlugin)

        package static let hostPort = PodPlugin.HostPort(node: 9080, pod: 8080)

        /// Pods are hosts on the link between the nodes and the router, which is their gateway.
        fileprivate var isOnWire: Bool {
            if case .plugin(let plugin) = self { plugin.isOnWire } else { false }
        }
    }

    package let client: NetworkNamespace
    package let router: NetworkNamespace
    /// The node under test, with three pods.
    package let node: NetworkNamespace
    package let pods: [Pod]
    /// Another node, with two pods.
    package let otherNode: NetworkNamespace
    package let otherPods: [Pod]

    package static let clients4 = (2...9).map { "198.51.100.\($0)" }
    package static let clients6 = (2...9).map { "2001:db8:1::\($0)" }
    package static let node4 = "192.0.2.1"
    package static let node6 = "2001:db8::1"
    package static let otherNode4 = "192.0.2.2"
    package static let otherNode6 = "2001:db8::2"

    /// A pod's network namespace and its addresses.
    ///
    /// A class only because arrays cannot hold noncopyable values.
    package final class Pod: Sendable {
        /// `pod-1-2` is the second on node 1.
        package let name: String
        package let namespace: NetworkNamespace
        package let address4: String
        package let address6: String

        init(number: Int, on node: Int) throws(LabError) {
            name = "pod-\(node)-\(number)"
            namespace = try NetworkNamespace(name)
            address4 = "10.244.\(node).\(10 + number)"
            address6 = "fd00:10:244:\(node)::\(10 + number)"
        }
    }

    /// Makes all of it.
    ///
    /// - Parameter clientMTU: what the router takes for clients, for senders that must be told to send less.
    package init(_ network: PodNetwork = .routed, clientMTU: Int? = nil) throws {
        let client = try NetworkNamespace("client")
        let router = try NetworkNamespace("router")
        let node = try NetworkNamespace("node1")
        let otherNode = try NetworkNamespace("node2")
        let nearPods = try (1...3).map { number throws(LabError) in try Pod(number: number, on: 1) }
        let farPods = try (1...2).map { number throws(LabError) in try Pod(number: number, on: 2) }
        let pods = nearPods + farPods
        for path in [client.path, router.path, node.path, otherNode.path] + pods.map({ $0.namespace.path }) {
            try Self.set(Self.prompt, in: path)
        }
        for path in [router.path, node.path, otherNode.path] { try Self.set(Self.forwarding, in: path) }
        try Self.wireClient(client, to: router, mtu: clientMTU)
        try Self.wireNodes(node, otherNode, to: router, network)
        for (number, pod) in zip(1..., nearPods) { try Self.attach(pod, number, network, to: node, 1) }
        for (number, pod) in zip(1..., farPods) { try Self.attach(pod, number, network, to: otherNode, 2) }
        self.client = client
        self.router = router
        self.node = node
        self.pods = nearPods
        self.otherNode = otherNode
        otherPods = farPods
    }

    /// A link-local address is usable at once, without duplicate address detection: the first neighbour is found. And a
    /// router's word that there is a shorter way is not heard: a pod on the wire cannot be reached by its own node so.
    private static let prompt = [
        ("ipv6/conf/all/accept_dad", "0"), ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/all/accept_redirects", "0"), ("ipv6/conf/default/accept_redirects", "0"),
        ("ipv4/conf/all/accept_redirects", "0"), ("ipv4/conf/default/accept_redirects", "0"),
    ]

    private static let forwarding = [
        ("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1"),
        // Loose, as distributions have it; the default here would be whatever this machine has.
        ("ipv4/conf/all/rp_filter", "2"), ("ipv4/conf/default/rp_filter", "2"),
        // Tests see each refusal: the kernel would send one in a second.
        ("ipv4/icmp_ratelimit", "0"), ("ipv6/icmp/ratelimit", "0"),
    ]

    private static func set(_ settings: [(name: String, value: String)], in namespace: String) throws {
        try LabThread.run {
            try LabThread.enterNamespace(namespace)
            for (name, value) in settings { try SmallFile.write(value, to: "/proc/sys/net/\(name)") }
        }
    }

    private static func wireClient(
        _ client: borrowing NetworkNamespace, to router: borrowing NetworkNamespace, mtu: Int?
    ) throws(LabError) {
        try router.connect("clients", to: client, "eth0")
        try router.ip(lines: addresses(["198.51.100.1/24", "2001:db8:1::1/64"], "clients"))
        let sources = clients4.map { "\($0)/24" } + clients6.map { "\($0)/64" }
        try client.ip(lines: addresses(sources, "eth0"))
        try client.ip(lines: ["route add default via 198.51.100.1", "route add default via 2001:db8:1::1"])
        guard let mtu else { return }
        // A route's limit, and no device's: neither end knows before the router says so.
        try router.ip(lines: [
            "route replace 198.51.100.0/24 dev clients mtu lock \(mtu)",
            "route replace 2001:db8:1::/64 dev clients metric 256 mtu lock \(mtu)",
        ])
    }

    private static func wireNodes(
        _ node: borrowing NetworkNamespace, _ otherNode: borrowing NetworkNamespace,
        to router: borrowing NetworkNamespace, _ network: PodNetwork
    ) throws(LabError) {
        try router.ip(lines: ["link add nodes type bridge forward_delay 0", "link set nodes up"])
        try router.ip(lines: addresses(["192.0.2.254/24", "2001:db8::fe/64"], "nodes"))
        try wire(node, 1, to: router)
        try wire(otherNode, 2, to: router)
        if network.isOnWire {
            let gateways = ["10.244.1.1/24", "10.244.2.1/24", "fd00:10:244:1::1/64", "fd00:10:244:2::1/64"]
            try router.ip(lines: addresses(gateways, "nodes"))
        } else {
            try routePods(node, 1, router, other: 2)
            try routePods(otherNode, 2, router, other: 1)
        }
        let services = ["10.96.0.0/16", "203.0.113.0/24"].map { "route add \($0) via \(node4)" }
        let services6 = ["fd00:10:96::/112", "2001:db8:2::/64"].map { "route add \($0) via \(node6)" }
        try router.ip(lines: services + services6)
    }

    private static func wire(
        _ node: borrowing NetworkNamespace, _ number: Int, to router: borrowing NetworkNamespace
    ) throws(LabError) {
        try router.connect("node\(number)", to: node, "eth0")
        try router.ip("link", "set", "node\(number)", "master", "nodes")
        try node.ip(lines: addresses(["192.0.2.\(number)/24", "2001:db8::\(number)/64"], "eth0"))
        try node.ip(lines: ["route add default via 192.0.2.254", "route add default via 2001:db8::fe"])
    }

    /// The pods of a node are reached through it.
    private static func routePods(
        _ node: borrowing NetworkNamespace, _ number: Int, _ router: borrowing NetworkNamespace, other: Int
    ) throws(LabError) {
        try node.ip(lines: [
            "route add 10.244.\(other).0/24 via 192.0.2.\(other)",
            "route add fd00:10:244:\(other)::/64 via 2001:db8::\(other)",
        ])
        try router.ip(lines: [
            "route add 10.244.\(number).0/24 via 192.0.2.\(number)",
            "route add fd00:10:244:\(number)::/64 via 2001:db8::\(number)",
        ])
    }

    private static func addresses(_ addresses: [String], _ device: String) -> [String] {
        addresses.map { NetworkNamespace.addressLine($0, device) }
    }

    // MARK: Pods

    private static func attach(
        _ pod: Pod, _ number: Int, _ network: PodNetwork, to node: borrowing NetworkNamespace, _ nodeNumber: Int
    ) throws(LabError) {
        let gateways = (v4: "10.244.\(nodeNumber).1", v6: "fd00:10:244:\(nodeNumber)::1")
        if case .plugin(let plugin) = network {
            return try plugin.add(
                pod.namespace, to: node,
                addresses: [("\(pod.address4)/24", gateways.v4), ("\(pod.address6)/64", gateways.v6)],
                hostPort: number == 1 && !plugin.isOnWire ? PodNetwork.hostPort : nil)
        }
        try node.connect(pod.name, to: pod.namespace, "eth0")
        if case .bridged = network {
            try bridge(pod, to: node, gateways, isFirst: number == 1)
        } else {
            try route(pod, to: node, gateways)
        }
        try pod.namespace.ip(lines: ["route add default via \(gateways.v4)", "route add default via \(gateways.v6)"])
    }

    /// The host's end has the gateway's address, like all the others; the pod has nothing on its link but that.
    private static func route(
        _ pod: Pod, to node: borrowing NetworkNamespace, _ gateways: (v4: String, v6: String)
    ) throws(LabError) {
        try node.ip(lines: addresses(["\(gateways.v4)/32", "\(gateways.v6)/128"], pod.name))
        try node.ip(lines: [
            "route add \(pod.address4)/32 dev \(pod.name)", "route add \(pod.address6)/128 dev \(pod.name)",
        ])
        try pod.namespace.ip(lines: addresses(["\(pod.address4)/32", "\(pod.address6)/128"], "eth0"))
        try pod.namespace.ip(lines: [
            "route add \(gateways.v4)/32 dev eth0 scope link", "route add \(gateways.v6)/128 dev eth0",
        ])
    }

    private static func bridge(
        _ pod: Pod, to node: borrowing NetworkNamespace, _ gateways: (v4: String, v6: String), isFirst: Bool
    ) throws(LabError) {
        if isFirst {
            try node.ip(lines: ["link add cni0 type bridge forward_delay 0", "link set cni0 up"])
            try node.ip(lines: addresses(["\(gateways.v4)/24", "\(gateways.v6)/64"], "cni0"))
        }
        try node.ip("link", "set", pod.name, "master", "cni0")
        try pod.namespace.ip(lines: addresses(["\(pod.address4)/24", "\(pod.address6)/64"], "eth0"))
    }
}
