/// A small node of our own: pods on a bridge, and a network outside, all in namespaces that go with their owner.
///
/// ```
/// outside 192.0.2.2 ── eth0 192.0.2.1  node  br0 10.244.0.1 ─┬─ eth0 10.244.0.11  pod 1
///         2001:db8::2       2001:db8::1          fd00:10:244::1 ├─ eth0 10.244.0.12  pod 2
///                                                               └─ …
/// ```
/// The node reaches pods and the outside; pods reach each other over the bridge and the rest through the node. There is
/// no default route on the node: what is not translated fails at once instead of waiting.
package struct Lab: ~Copyable, Sendable {
    /// The node's own network namespace.
    package let node: NetworkNamespace
    /// Beyond the node: external endpoints and clients.
    package let outside: NetworkNamespace
    /// In order: `pods[0]` is `pod-1`.
    package let pods: [Pod]

    package static let nodeAddress4 = "192.0.2.1"
    package static let nodeAddress6 = "2001:db8::1"
    package static let outsideAddress4 = "192.0.2.2"
    package static let outsideAddress6 = "2001:db8::2"

    /// A pod's network namespace and its addresses.
    ///
    /// A class only because arrays cannot hold noncopyable values.
    package final class Pod: Sendable {
        package let name: String
        package let namespace: NetworkNamespace
        package let address4: String
        package let address6: String

        init(number: Int) throws(LabError) {
            name = "pod-\(number)"
            namespace = try NetworkNamespace(name)
            address4 = "10.244.0.\(10 + number)"
            address6 = "fd00:10:244::\(10 + number)"
        }
    }

    /// Makes the node, the outside and the pods (at most 200).
    package init(pods count: Int) throws {
        precondition((0...200).contains(count), "a lab has at most 200 pods")
        let node = try NetworkNamespace("node")
        let outside = try NetworkNamespace("outside")
        let pods = try (0..<count).map { index throws(LabError) in try Pod(number: index + 1) }
        try Self.wireOutside(node, outside)
        try Self.wireBridge(node)
        for pod in pods { try Self.wire(pod, to: node) }
        self.node = node
        self.outside = outside
        self.pods = pods
    }

    private static func wireOutside(
        _ node: borrowing NetworkNamespace, _ outside: borrowing NetworkNamespace
    ) throws(LabError) {
        try node.connect("eth0", to: outside, "eth0")
        try node.ip(lines: [
            NetworkNamespace.addressLine("\(nodeAddress4)/24", "eth0"),
            NetworkNamespace.addressLine("\(nodeAddress6)/64", "eth0"),
        ])
        try outside.ip(lines: [
            NetworkNamespace.addressLine("\(outsideAddress4)/24", "eth0"),
            NetworkNamespace.addressLine("\(outsideAddress6)/64", "eth0"),
            "route add default via \(nodeAddress4)",
            "route add default via \(nodeAddress6)",
        ])
    }

    private static func wireBridge(_ node: borrowing NetworkNamespace) throws {
        try node.ip(lines: [
            "link add br0 type bridge forward_delay 0",
            "link set br0 up",
            NetworkNamespace.addressLine("10.244.0.1/16", "br0"),
            NetworkNamespace.addressLine("fd00:10:244::1/64", "br0"),
        ])
        try node.set("ipv4/ip_forward", to: "1")
        try node.set("ipv6/conf/all/forwarding", to: "1")
    }

    private static func wire(_ pod: Pod, to node: borrowing NetworkNamespace) throws(LabError) {
        try node.connect(pod.name, to: pod.namespace, "eth0")
        try node.ip("link", "set", pod.name, "master", "br0")
        try pod.namespace.ip(lines: [
            NetworkNamespace.addressLine("\(pod.address4)/16", "eth0"),
            NetworkNamespace.addressLine("\(pod.address6)/64", "eth0"),
            "route add default via 10.244.0.1",
            "route add default via fd00:10:244::1",
        ])
    }
}
