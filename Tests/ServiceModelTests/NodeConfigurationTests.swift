import ServiceModel
import Testing

@Suite("Configuration of the node")
struct NodeConfigurationTests {
    private let local: [IPAddress] = ["127.0.0.1", "::1", "192.0.2.1", "10.8.0.1", "2001:db8::1"]
    private var node: Node {
        var node = Node(name: "here")
        node.addresses = ["192.0.2.1", "2001:db8::1", "203.0.113.7"]
        node.labels = ["topology.kubernetes.io/zone": "a"]
        return node
    }

    private func select(_ policy: NodePortAddresses, _ node: Node?) -> [String] {
        policy.select(node: node, localAddresses: local).map { "\($0.address)\($0.hostOnly ? " host-only" : "")" }
    }

    @Test("spec 21: primary is the Node's first address of each family, and loopback")
    func primary() {
        #expect(select(.primary, node) == ["127.0.0.1 host-only", "192.0.2.1", "::1 host-only", "2001:db8::1"])
    }

    @Test("spec 11, 21: without a Node object, or addresses in it, primary is all local addresses")
    func fallback() {
        let all = ["10.8.0.1", "127.0.0.1 host-only", "192.0.2.1", "::1 host-only", "2001:db8::1"]
        #expect(select(.primary, nil) == all)
        #expect(select(.primary, Node(name: "here")) == all)
        #expect(select(.all, node) == all)
    }

    @Test("spec 21: ranges choose among local addresses")
    func ranges() {
        func ranges(_ texts: String...) -> NodePortAddresses { .within(texts.compactMap(CIDR.init)) }
        #expect(select(ranges("10.0.0.0/8", "2001:db8::/32"), node) == ["10.8.0.1", "2001:db8::1"])
        #expect(select(ranges("127.0.0.0/8"), node) == ["127.0.0.1 host-only"])
        #expect(select(ranges("0.0.0.0/0"), nil) == ["10.8.0.1", "127.0.0.1 host-only", "192.0.2.1"])
    }

    @Test("spec 21: primary and ranges together")
    func primaryAndRanges() {
        let ranges = ["10.0.0.0/8"].compactMap(CIDR.init)
        let expected = ["10.8.0.1", "127.0.0.1 host-only", "192.0.2.1", "::1 host-only", "2001:db8::1"]
        #expect(select(.primaryAndWithin(ranges), node) == expected)
    }

    @Test("spec 56: a Node that goes, or has no address any more, leaves the NodePorts where they are")
    func memory() {
        var memory = NodeMemory()
        #expect(select(.primary, memory.recall(nil)).count == 5)
        let known = select(.primary, memory.recall(node))
        #expect(known.count == 4)
        #expect(select(.primary, memory.recall(nil)) == known)
        #expect(select(.primary, memory.recall(Node(name: "here"))) == known)
        var moved = node
        moved.addresses = ["10.8.0.1"]
        #expect(select(.primary, memory.recall(moved)) == ["10.8.0.1", "127.0.0.1 host-only", "::1 host-only"])
    }

    @Test("spec 15: the zone is a label of the Node")
    func zone() {
        #expect(NodeConfiguration(NodeSettings(name: "here"), node: node, localAddresses: local).zone == "a")
        #expect(NodeConfiguration(NodeSettings(name: "here"), node: nil, localAddresses: local).zone == nil)
    }
}
