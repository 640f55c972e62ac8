import NodeNetwork
import ServiceModel
import Testing

@Suite("where a node's pods are")
struct PodNetworkTests {
    private static func link(_ number: UInt32, _ name: String, _ kind: String?) -> NetworkLink {
        NetworkLink(index: LinkIndex(rawValue: number), name: name, kind: kind)
    }

    private static func route(_ destination: String, _ link: UInt32, via gateway: String? = nil) throws -> NetworkRoute
    {
        NetworkRoute(
            destination: try #require(CIDR(destination)), link: LinkIndex(rawValue: link),
            gateway: gateway.flatMap { IPAddress($0) })
    }

    @Test("neighbours on bridges and virtual devices are pods; the network, and what lies behind a router, is not")
    func chooses() throws {
        let network = try NetworkSnapshot(
            links: [
                Self.link(2, "eth0", nil), Self.link(3, "cni0", "bridge"), Self.link(4, "veth7", "veth"),
                Self.link(5, "br-lan", "bridge"), Self.link(6, "wg0", "wireguard"),
            ],
            routes: [
                Self.route("0.0.0.0/0", 5, via: "192.0.2.254"), Self.route("192.0.2.0/24", 5),
                Self.route("198.51.100.0/24", 2), Self.route("10.244.0.0/24", 3), Self.route("10.244.9.7/32", 4),
                Self.route("10.244.1.0/24", 3, via: "10.244.0.9"), Self.route("10.245.0.0/16", 6),
                Self.route("fd00:244::/64", 3), Self.route("fe80::/64", 3),
            ])
        #expect(network.podRoutes.map(\.description) == ["10.244.0.0/24", "10.244.9.7/32", "fd00:244::/64"])
    }
}
