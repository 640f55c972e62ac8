import NetworkLab
import NodeNetwork
import ServiceModel
import Testing

extension NetworkTests {
    /// A node with two pods behind veths, each with a route of its own, and a network with the default router.
    @Suite struct PodSideTests {
        struct Node: ~Copyable {
            let node: NetworkNamespace
            let client: NetworkNamespace
            let endpoint: NetworkNamespace
            let router: NetworkNamespace

            init() throws {
                let node = try NetworkNamespace("node")
                let client = try NetworkNamespace("client")
                let endpoint = try NetworkNamespace("endpoint")
                let router = try NetworkNamespace("router")
                try node.connect("veth7", to: client, "eth0")
                try node.connect("veth8", to: endpoint, "eth0")
                try node.connect("eth0", to: router, "eth0")
                try node.set("ipv4/ip_forward", to: "1")
                for device in ["all", "veth7", "veth8"] { try node.set("ipv4/conf/\(device)/rp_filter", to: "0") }
                try node.ip(lines: [
                    "address add 192.0.2.1/24 dev eth0", "route add default via 192.0.2.254",
                    "route add 10.244.0.7 dev veth7", "route add 10.244.0.8 dev veth8",
                ])
                try client.ip(lines: ["address add 10.244.0.7/32 dev eth0", "route add default dev eth0"])
                self.node = node
                self.client = client
                self.endpoint = endpoint
                self.router = router
            }

            /// `noWayBack at veth7, which leads by eth0 via 192.0.2.254`, or `open`.
            func obstacle(to endpoint: String = "10.244.0.8") throws -> String {
                let own = try client.run { try NetworkSnapshot.read() }
                let peer = try #require(own.link(named: "eth0"))
                let address = try #require(IPAddress("10.244.0.7"))
                let target = try #require(IPAddress(endpoint))
                return try node.run {
                    let network = try NetworkSnapshot.read()
                    let device = try #require(PodSide.device(ofPeer: peer, on: network))
                    let found = PodSide(address: address, device: device, network: network).obstacle(to: target)
                    guard let found else { return "open" }
                    return "\(found.fault) at \(found.device)" + (found.leadsBy.map { ", which leads by \($0)" } ?? "")
                }
            }
        }

        @Test("a way that is open has no obstacle, to the node itself, too", arguments: ["10.244.0.8", "192.0.2.1"])
        func open(endpoint: String) throws { #expect(try Node().obstacle(to: endpoint) == "open") }

        @Test(
            "rules and routes that close the way are found",
            arguments: [
                ("rule add iif veth7 prohibit", "noWayOn at veth7, which leads by veth7"),
                ("rule add from 10.244.0.7 blackhole", "noWayOn at veth7, which leads by veth7"),
                ("rule add iif veth8 unreachable", "noWayForAnswers at veth8"),
                ("route del 10.244.0.7", "noWayBack at veth7, which leads by eth0 via 192.0.2.254"),
                ("route replace 10.244.0.7 dev veth8", "noWayBack at veth7, which leads by veth8"),
                ("link set veth7 down", "deviceDown at veth7"),
            ])
        func closed(line: String, expected: String) throws {
            let node = try Node()
            try node.node.ip(lines: [line])
            #expect(try node.obstacle() == expected)
        }

        @Test(
            "settings of the devices are found",
            arguments: [
                ("veth7/forwarding", "0", "notForwarding at veth7, which leads by veth8"),
                ("veth8/forwarding", "0", "notForwarding at veth8"),
                ("veth7/rp_filter", "1", "reversePath at veth7, which leads by veth8"),
            ])
        func settings(name: String, value: String, expected: String) throws {
            let node = try Node()
            if expected.contains("veth7,") { try node.node.ip(lines: ["route replace 10.244.0.7 dev veth8"]) }
            try node.node.set("ipv4/conf/\(name)", to: value)
            #expect(try node.obstacle() == expected)
        }

        @Test("only the default route leads to an address without one of its own, and no router is this node itself")
        func byDefault() throws {
            let node = try Node()
            try node.node.ip(lines: [
                "address add 10.244.0.1/32 dev lo", "route add 10.244.1.0/24 via 192.0.2.254",
                "route add 10.244.2.0/24 dev veth8",
            ])
            let found = try node.node.run {
                let network = try NetworkSnapshot.read()
                return try ["10.244.0.9", "10.244.0.8", "192.0.2.1", "192.0.2.7", "10.244.2.1"].map { text in
                    let address = try #require(IPAddress(text))
                    return try Route.find(to: address).map { network.isDefault($0, to: address) }
                }
            }
            #expect(found == [true, false, false, false, false])
        }
    }
}
