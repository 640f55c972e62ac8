import NetworkLab
import NodeNetwork
import ServiceModel
import Testing

extension NetworkTests {
    @Suite struct RouteTests {
        /// eth0 and eth1 with an address and a router each, in both families; the default is by eth0.
        func wire() throws -> Wire {
            let wire = try Wire()
            try wire.near.connect("eth1", to: wire.far, "eth1")
            try wire.near.ip(lines: [
                "address add 10.1.0.1/24 dev eth0", "address add 10.2.0.1/24 dev eth1",
                "address add fd00:1::1/64 dev eth0 nodad", "address add fd00:2::1/64 dev eth1 nodad",
                "route add default via 10.1.0.9", "route add default via fd00:1::9",
                "route add default via 10.2.0.9 metric 100", "route add default via fd00:2::9 metric 2000",
                "route add 10.3.0.0/16 via 10.2.0.8 src 10.1.0.1",
                "route add blackhole 10.4.0.0/16", "route add unreachable 10.5.0.0/16",
                "route add prohibit 10.6.0.0/16", "route add unreachable fd00:5::/32",
            ])
            return wire
        }

        @Test(
            "a route names the device, the source address and the router",
            arguments: [
                ("10.2.0.77", "eth1 from 10.2.0.1"), ("fd00:2::77", "eth1 from fd00:2::1"),
                ("192.0.2.1", "eth0 from 10.1.0.1 via 10.1.0.9"), ("2001:db8::1", "eth0 from fd00:1::1 via fd00:1::9"),
                ("10.3.0.1", "eth1 from 10.1.0.1 via 10.2.0.8"),
                ("10.1.0.1", "lo from 10.1.0.1, local"), ("fd00:1::1", "lo from fd00:1::1, local"),
                ("10.4.0.1", "none"), ("10.5.0.1", "none"), ("10.6.0.1", "none"), ("fd00:5::1", "none"),
            ])
        func find(destination: String, expected: String) throws {
            let wire = try wire()
            #expect(try text(wire.route(to: destination), wire) == expected)
        }

        @Test(
            "a device has ways and source addresses of its own",
            arguments: [
                ("192.0.2.1", "eth1 from 10.2.0.1 via 10.2.0.9"),
                ("2001:db8::1", "eth1 from fd00:2::1 via fd00:2::9"),
            ])
        func byLink(destination: String, expected: String) throws {
            let wire = try wire()
            let link = try #require(try wire.snapshot().link(named: "eth1")?.index)
            #expect(try text(wire.route(to: destination, by: link), wire) == expected)
        }

        @Test("no route is no error", arguments: ["192.0.2.1", "2001:db8::1"])
        func nothing(destination: String) throws {
            let wire = try Wire()
            #expect(try wire.route(to: destination) == nil)
            let address = try #require(IPAddress(destination))
            #expect(try wire.near.run { try Route.sourceAddress(towards: address) } == nil)
        }

        private func text(_ route: Route?, _ wire: borrowing Wire) throws -> String {
            guard let route else { return "none" }
            let name = try wire.snapshot().link(route.link)?.name ?? "?"
            return name + (route.source.map { " from \($0)" } ?? "") + (route.gateway.map { " via \($0)" } ?? "")
                + (route.isLocal ? ", local" : "")
        }
    }
}
