import NetworkLab
import NodeNetwork
import ServiceModel
import Testing

extension NetworkTests {
    /// Spec 54: asked of the kernel for each case, not of a text book.
    @Suite struct SourceAddressTests {
        struct Case: CustomTestStringConvertible, Sendable {
            var testDescription: String
            /// What `ip` is told in a namespace with eth0 and eth1.
            var lines: [String]
            var destinations: [String]
        }

        private static let near4 = ["10.1.0.77", "10.2.0.77", "10.3.0.77", "192.0.2.1", "198.51.100.7"]
        private static let near6 = [
            "fd00:1::77", "fd00:1:0:1::77", "fd00:2::77", "fd77::1", "2001:db8:1::77", "2001:db8:2::77",
            "2001:db8:ffff::1", "2a00::1", "4000::1", "8000::1", "2002:c000:201::1", "2001:0:1::1", "64:ff9b::1",
        ]

        static let cases = [
            Case(
                testDescription: "one subnet",
                lines: ["address add 10.1.0.5/24 dev eth0", "route add default via 10.1.0.9"], destinations: near4),
            Case(
                testDescription: "two subnets on one device, the higher one first",
                lines: [
                    "address add 10.2.0.5/24 dev eth0", "address add 10.1.0.5/24 dev eth0",
                    "route add default via 10.1.0.9",
                ], destinations: near4),
            Case(
                testDescription: "a floating address with a lower number comes later",
                lines: [
                    "address add 10.1.0.50/24 dev eth0", "route add default via 10.1.0.9",
                    "address add 10.1.0.2/32 dev eth0", "address add 10.0.0.1/32 dev eth0",
                ], destinations: near4 + ["10.1.0.3"]),
            Case(
                testDescription: "a floating address is there first",
                lines: [
                    "address add 10.1.0.2/32 dev eth0", "address add 10.1.0.50/24 dev eth0",
                    "route add default via 10.1.0.9", "route add 192.0.2.0/24 dev eth0 scope link",
                ], destinations: near4),
            Case(
                testDescription: "a secondary address with a lower number",
                lines: [
                    "address add 10.1.0.50/24 dev eth0", "address add 10.1.0.2/24 dev eth0",
                    "route add default via 10.1.0.9",
                ], destinations: near4),
            Case(
                testDescription: "routes that ask for a source, one in the other",
                lines: [
                    "address add 10.1.0.5/24 dev eth0", "address add 10.2.0.5/24 dev eth0",
                    "route add default via 10.1.0.9 src 10.2.0.5", "route add 192.0.2.0/24 via 10.1.0.9",
                    "route add 192.0.2.0/30 via 10.1.0.9 src 10.2.0.5",
                ], destinations: near4 + ["192.0.2.77"]),
            Case(
                testDescription: "two devices, one of them with an address for its link only",
                lines: [
                    "address add 169.254.7.7/16 scope link dev eth1", "address add 10.1.0.5/24 dev eth0",
                    "route add default via 10.1.0.9", "route add 10.3.0.0/24 dev eth1",
                    "route add 198.51.100.0/24 via 169.254.0.1 dev eth1",
                ], destinations: near4),
            Case(
                testDescription: "a device without addresses",
                lines: [
                    "address add 10.1.0.5/24 dev eth0", "route add default dev eth1",
                    "address add fd00:1::5/64 dev eth0 nodad", "route add ::/0 dev eth1 metric 5",
                ], destinations: near4 + near6),
            Case(
                testDescription: "a link between two",
                lines: [
                    "address add 10.1.0.5 peer 10.3.0.1/32 dev eth0", "address add 10.2.0.5/24 dev eth1",
                    "route add default via 10.3.0.1 dev eth0",
                ], destinations: near4 + ["10.3.0.1"]),
            Case(
                testDescription: "metrics decide",
                lines: [
                    "address add 10.1.0.5/24 dev eth0", "address add 10.2.0.5/24 dev eth0",
                    "route add default via 10.1.0.9 metric 50", "route add default via 10.2.0.9 metric 10",
                ], destinations: near4),
            Case(
                testDescription: "local and global IPv6 addresses side by side",
                lines: [
                    "address add 2001:db8:1::5/64 dev eth0 nodad", "address add fd00:1::5/64 dev eth0 nodad",
                    "route add default via fd00:1::9",
                ], destinations: near6),
            Case(
                testDescription: "the same, the other one first",
                lines: [
                    "address add fd00:1::5/64 dev eth0 nodad", "address add 2001:db8:1::5/64 dev eth0 nodad",
                    "route add default via fd00:1::9",
                ], destinations: near6),
            Case(
                testDescription: "IPv6 addresses of several lengths in one subnet",
                lines: [
                    "address add 2001:db8:1::5/64 dev eth0 nodad", "address add 2001:db8:1::70/128 dev eth0 nodad",
                    "address add 2001:db8:1:0:8000::1/65 dev eth0 nodad",
                    "address add 2001:db8:2::5/48 dev eth0 nodad", "route add default via 2001:db8:1::9",
                ], destinations: near6 + ["2001:db8:1::71", "2001:db8:1::4", "2001:db8:1:0:9000::1"]),
            Case(
                testDescription: "a deprecated IPv6 address",
                lines: [
                    "address add 2001:db8:2::5/64 dev eth0 nodad preferred_lft 0",
                    "address add 2001:db8:1::5/64 dev eth0 nodad", "route add default via 2001:db8:1::9",
                ], destinations: near6),
            Case(
                testDescription: "IPv6 routes that ask for a source, and one in them that does not",
                lines: [
                    "address add 2001:db8:1::5/64 dev eth0 nodad", "address add 2001:db8:2::5/64 dev eth0 nodad",
                    "address add fd00:1::5/64 dev eth0 nodad",
                    "route add default via 2001:db8:1::9 src 2001:db8:2::5", "route add fd77::/16 via fd00:1::9",
                    "route add 2a00::/16 via fd00:1::9 src fd00:1::5",
                ], destinations: near6),
            Case(
                testDescription: "IPv6 addresses on two devices",
                lines: [
                    "address add 2001:db8:1::5/64 dev eth0 nodad", "address add fd00:2::5/64 dev eth1 nodad",
                    "route add default via 2001:db8:1::9", "route add fd77::/16 via 2001:db8:1::9",
                    "route add 2a00::/16 via fd00:2::9",
                ], destinations: near6),
        ]

        @Test("the source of what leaves is the kernel's choice", arguments: cases)
        func asTheKernel(example: Case) throws {
            let wire = try Wire()
            try wire.near.connect("eth1", to: wire.far, "eth1")
            try wire.near.ip(lines: example.lines)
            let snapshot = try wire.snapshot()
            let sources = snapshot.sources(by: snapshot.links.map(\.index))
            for text in example.destinations {
                guard let route = try wire.route(to: text), !route.isLocal else { continue }
                let destination = try #require(IPAddress(text))
                var walk = snapshot.routes.walk
                let ways = walk.best(to: destination)
                #expect(ways.contains { $0.link == route.link && $0.gateway == route.gateway }, "\(text): the way")
                let own = sources[route.link]?.address(towards: destination)
                #expect(own == route.source, "to \(text)")
            }
        }

        @Test("a device with one subnet needs no exceptions, however many routes lead by it")
        func noExceptions() throws {
            let wire = try Wire()
            try wire.near.ip(
                lines: ["address add 10.1.0.5/24 dev eth0", "address add fd00:1::5/64 dev eth0 nodad"]
                    + (0..<200).map { "route add 10.9.\($0).0/24 via 10.1.0.9" }
                    + (0..<200).map { "route add fd00:9:\($0)::/48 via fd00:1::9" })
            let snapshot = try wire.snapshot()
            let link = try #require(snapshot.link(named: "eth0")?.index)
            let sources = try #require(snapshot.sources(by: [link])[link])
            #expect(sources.usual4 == IPAddress("10.1.0.5") && sources.usual6 == IPAddress("fd00:1::5"))
            #expect(sources.others == [])
        }
    }
}
