import NodeNetwork
import ServiceModel
import TestKit
import Testing

/// Which way leads to an address, and what that tells of devices.
@Suite struct RouteTableTests {
    static func route(
        _ destination: String, _ link: UInt32?, metric: UInt32 = 0, via gateway: String? = nil
    ) throws -> NetworkRoute {
        NetworkRoute(
            destination: try #require(CIDR(destination)), link: link.map(LinkIndex.init(rawValue:)),
            gateway: gateway.flatMap { IPAddress($0) }, metric: metric)
    }

    private func links(to text: String, _ routes: [NetworkRoute]) throws -> [UInt32?] {
        var walk = RouteTable(routes).walk
        return walk.best(to: try #require(IPAddress(text))).map { $0.link?.rawValue }
    }

    @Test("many addresses in ascending order get what each would alone", arguments: 0..<20 as Range<UInt64>)
    func ascending(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let routes = (0..<60).compactMap { number -> NetworkRoute? in
            let isIPv6 = number % 5 == 0
            let address =
                isIPv6 ? IPAddress(v6: 0xfd, UInt64(random.next() & 0xff)) : IPAddress(v4: UInt32(random.next() & 0xff))
            return CIDR(network: address, prefixLength: (isIPv6 ? 120 : 24) + Int(random.next() % 9)).map {
                NetworkRoute(
                    destination: $0, link: LinkIndex(rawValue: UInt32(number)), metric: UInt32(random.next() % 3))
            }
        }
        var walk = RouteTable(routes).walk
        let addresses = (0..<256).map { IPAddress(v4: $0) } + (0..<256).map { IPAddress(v6: 0xfd, $0) }
        for address in addresses where random.next() % 3 != 0 {
            let ways = routes.filter { $0.destination.contains(address) }
            let longest = ways.map(\.destination.prefixLength).max()
            let near = ways.filter { $0.destination.prefixLength == longest }
            let best = near.filter { $0.metric == near.map(\.metric).min() }
            #expect(Set(walk.best(to: address)) == Set(best), "\(address)")
        }
    }

    @Test(
        "the longest prefix wins, then the lowest metric; several next hops are all of them",
        arguments: [
            ("10.1.0.1", [3]), ("10.1.0.200", [2]), ("10.2.0.1", [5]), ("10.3.0.1", [nil]), ("192.0.2.1", [1]),
            ("fd00::1", [7, 8]), ("2001:db8::1", []),
        ] as [(String, [UInt32?])])
    func best(destination: String, expected: [UInt32?]) throws {
        let routes = [
            try Self.route("10.1.0.0/24", 2), try Self.route("0.0.0.0/0", 1), try Self.route("10.1.0.0/25", 3),
            try Self.route("10.2.0.0/16", 4, metric: 20), try Self.route("10.2.0.0/16", 5, metric: 10),
            try Self.route("10.3.0.0/16", nil), try Self.route("fd00::/16", 7), try Self.route("fd00::/16", 8),
            try Self.route("fd00::/16", 9, metric: 1),
        ]
        #expect(try links(to: destination, routes) == expected)
    }

    @Test("endpoints tell what a device leads to")
    func endpoints() throws {
        let network = NetworkSnapshot(
            links: [NetworkLink(index: LinkIndex(rawValue: 2), name: "cni0", kind: "bridge")],
            addresses: [
                LinkAddress(
                    link: LinkIndex(rawValue: 1), address: try #require(IPAddress("192.0.2.1")), prefixLength: 24)
            ],
            routes: [
                try Self.route("192.0.2.0/24", 1), try Self.route("10.1.0.0/24", 2), try Self.route("10.2.0.0/16", 3),
            ])
        var endpoints: [EndpointDevices.Endpoint] = []
        for (text, place) in [
            // A hostNetwork pod says nothing of a device.
            ("192.0.2.1", .thisNode), ("192.0.2.2", .otherNode), ("10.1.0.7", .thisNode),
            // Without a node name: on a bridge it is a pod of this node.
            ("10.1.0.8", .unknown), ("10.2.0.4", .unknown), ("10.2.0.3", .otherNode), ("10.2.0.2", .otherNode),
            ("10.2.0.1", .otherNode), ("2001:db8::1", .otherNode),
            // Other Services have the same ones, of which one slice says more.
            ("10.1.0.8", .unknown), ("10.2.0.3", .unknown), ("10.1.0.7", .unknown),
        ] as [(String, EndpointDevices.Place)] {
            endpoints.append(.init(try #require(IPAddress(text)), place))
        }
        let devices = EndpointDevices(of: endpoints, in: network)
        func text(_ groups: [LinkIndex: EndpointDevices.Group]) -> [String] {
            groups.sorted { $0.key < $1.key }.map { "\($0.key.rawValue): \($0.value)" }
        }
        #expect(text(devices.here) == ["2: 2 endpoints (10.1.0.7, 10.1.0.8)"])
        #expect(
            text(devices.elsewhere) == [
                "1: 1 endpoint (192.0.2.2)", "3: 4 endpoints (10.2.0.1, 10.2.0.2, 10.2.0.3, …)",
            ])
        #expect("\(devices.unreachable)" == "1 endpoint (2001:db8::1)")
        #expect(devices.choosesLike(devices) && !devices.choosesLike(EndpointDevices()))
    }
}
