import NodeNetwork
import ServiceModel
import Testing

@Suite struct DeviceSelectionTests {
    /// A node with most kinds of device.
    static let network: NetworkSnapshot = {
        func index(_ number: UInt32) -> LinkIndex { LinkIndex(rawValue: number) }
        func address(_ link: UInt32, _ text: String) -> [LinkAddress] {
            IPAddress(text).map { [LinkAddress(link: index(link), address: $0, prefixLength: 24)] } ?? []
        }
        return NetworkSnapshot(
            links: [
                NetworkLink(index: index(1), name: "lo", isLoopback: true, hasEthernetHeader: false),
                NetworkLink(index: index(2), name: "eth0"),
                NetworkLink(index: index(3), name: "eth1"),
                NetworkLink(index: index(4), name: "eth2", isUp: false),
                NetworkLink(index: index(5), name: "bond0", kind: "bond"),
                NetworkLink(index: index(6), name: "eth3", portKind: "bond", master: index(5)),
                NetworkLink(index: index(7), name: "wg0", kind: "wireguard", hasEthernetHeader: false),
                NetworkLink(index: index(8), name: "cni0", kind: "bridge"),
                NetworkLink(index: index(9), name: "veth7", kind: "veth", portKind: "bridge", master: index(8)),
                NetworkLink(index: index(10), name: "eth4", portKind: "vrf", master: index(11)),
                NetworkLink(index: index(11), name: "red", kind: "vrf", hasEthernetHeader: false),
                NetworkLink(index: index(12), name: "flannel.1", kind: "vxlan"),
            ],
            addresses: address(1, "192.0.2.9") + address(2, "192.0.2.1") + address(2, "2001:db8::1")
                + address(4, "192.0.2.4") + address(5, "198.51.100.1") + address(8, "10.244.0.1")
                + address(10, "192.0.2.10"),
            defaultRoutes: [
                DefaultRoute(link: index(2), family: .v4), DefaultRoute(link: index(7), family: .v6),
                DefaultRoute(link: index(6), family: .v4),
            ])
    }()

    static let nodeAddresses = Set(
        ["192.0.2.1", "192.0.2.4", "192.0.2.9", "192.0.2.10", "2001:db8::1"].compactMap { IPAddress($0) })

    func selection(_ named: [String] = [], pods: [String] = []) throws -> DeviceSelection {
        DeviceSelection(
            of: Self.network, nodeAddresses: Self.nodeAddresses,
            named: try DevicePatterns(named, flag: "--devices"),
            podInterfaces: try DevicePatterns(pods, flag: "--pod-interfaces"))
    }

    @Test("each device has its reason")
    func reasons() throws {
        let verdicts = try selection(pods: ["veth*"]).devices.map { device in
            "\(device.link.name) \(device.role?.rawValue ?? "–"): \(device.reason)"
        }
        #expect(
            verdicts == [
                "lo –: the loopback", "eth0 outside: holds the node address 192.0.2.1",
                "eth1 –: its addresses are not in this node's Node object, and no default route uses it",
                "eth2 –: down",
                "bond0 –: its addresses are not in this node's Node object, and no default route uses it",
                "eth3 –: a port of bond0, which has its packets",
                "wg0 outside: holds the default route of IPv6",
                "cni0 –: its addresses are not in this node's Node object, and no default route uses it",
                "veth7 pods: named by --pod-interfaces veth*", "eth4 outside: holds the node address 192.0.2.10",
                "red –: its addresses are not in this node's Node object, and no default route uses it",
                "flannel.1 outside: a tunnel (vxlan), where other nodes' pods may be",
            ])
    }

    @Test(
        "patterns choose",
        arguments: [
            (["eth*"], "eth0 eth1 eth4"),
            (["eth*,!eth1"], "eth0 eth4"),
            (["!eth1", "eth*"], "eth0 eth4"),
            (["eth1", "wg?"], "eth1 wg0"),
            (["eth[01]"], "eth0 eth1"),
            // A port counts when its own name is written.
            (["eth3,bond0"], "bond0 eth3"),
            (["eth3,eth*,!eth3"], "eth0 eth1 eth4"),
            // Down, or the loopback, is not to be had.
            (["eth2, lo"], ""),
            (["nothing*"], ""),
            // None is named: the usual ones, without what is taken out.
            (["!wg*"], "eth0 eth4 flannel.1"),
            (["*"], "eth0 eth1 bond0 wg0 cni0 eth4 red flannel.1"),
        ] as [([String], String)])
    func patterns(named: [String], chosen: String) throws {
        #expect(try selection(named).chosen.map(\.link.name).joined(separator: " ") == chosen)
        #expect(try selection(named).chosen.allSatisfy { $0.role == .outside })
    }

    @Test("a pod interface is one whatever else names it, and can be taken out")
    func podInterfaces() throws {
        let all = try selection(["*"], pods: ["veth*,cni0", "!cni*"])
        #expect(all.devices.first { $0.link.name == "veth7" }?.role == .pods)
        let bridge = all.devices.first { $0.link.name == "cni0" }
        #expect(bridge?.role == nil && bridge?.reason == .isTakenOut(pattern: "cni*"))
    }

    /// Endpoints by the devices that lead to them: those of this node, and others.
    private func selection(
        here: [UInt32], elsewhere: [UInt32], named: [String] = [], pods: [String] = [], findsPods: Bool = false,
        neighbors: [UInt32] = [], before: [UInt32: DeviceSelection.Role] = [:]
    ) throws -> DeviceSelection {
        func endpoint(_ link: UInt32) throws -> IPAddress { try #require(IPAddress("10.9.\(link).7")) }
        let known = Self.network
        let routes = try (here + elsewhere + neighbors).map { link in
            NetworkRoute(
                destination: try #require(CIDR("10.9.\(link).7/\(neighbors.contains(link) ? 32 : 24)")),
                link: LinkIndex(rawValue: link))
        }
        let network = NetworkSnapshot(
            links: known.links + [
                NetworkLink(
                    index: LinkIndex(rawValue: 13), name: "antrea-gw0", kind: "openvswitch", portKind: "openvswitch",
                    master: LinkIndex(rawValue: 14)),
                NetworkLink(index: LinkIndex(rawValue: 14), name: "ovs-system", kind: "openvswitch"),
                NetworkLink(index: LinkIndex(rawValue: 15), name: "cali1", kind: "veth"),
                NetworkLink(index: LinkIndex(rawValue: 16), name: "cali2", kind: "veth"),
                NetworkLink(index: LinkIndex(rawValue: 17), name: "veth9", kind: "veth"),
            ], addresses: known.addresses, routes: Array(known.routes.routes) + routes)
        var endpoints: [EndpointDevices.Endpoint] = []
        for link in here { endpoints.append(.init(try endpoint(link), .thisNode)) }
        for link in elsewhere { endpoints.append(.init(try endpoint(link), .otherNode)) }
        return DeviceSelection(
            of: network, nodeAddresses: Self.nodeAddresses, endpoints: EndpointDevices(of: endpoints, in: network),
            named: try DevicePatterns(named, flag: "--devices"),
            podInterfaces: try DevicePatterns(pods, flag: "--pod-interfaces"), findsPods: findsPods,
            before: Dictionary(uniqueKeysWithValues: before.map { (LinkIndex(rawValue: $0), $1) }))
    }

    private func reason(of name: String, in selection: DeviceSelection) -> String? {
        selection.devices.first { $0.link.name == name }.map { "\($0.role?.rawValue ?? "–"): \($0.reason)" }
    }

    @Test(
        "what was chosen keeps its programs when it is down, or leads to no endpoint any more, but not when it is taken out"
    )
    func keeps() throws {
        // eth1, eth2 which is down, eth3 which is a port of bond0, and devices of pods.
        let before: [UInt32: DeviceSelection.Role] = [3: .outside, 4: .outside, 6: .outside, 8: .pods, 9: .pods]
        let later = try selection(here: [], elsewhere: [], named: ["!eth9"], before: before)
        let kept = "it keeps its programs, for flows that are open"
        #expect(
            reason(of: "eth1", in: later)
                == "outside: its addresses are not in this node's Node object, and no default route uses it; \(kept)")
        #expect(reason(of: "eth2", in: later) == "outside: down; \(kept)")
        #expect(reason(of: "eth3", in: later) == "–: a port of bond0, which has its packets")
        #expect(reason(of: "cni0", in: later)?.hasSuffix(kept) == true)
        #expect(reason(of: "veth7", in: later)?.hasPrefix("pods: ") == true, "a bridge's port")
        let without = try selection(here: [], elsewhere: [], named: ["!eth1"], before: before)
        #expect(reason(of: "eth1", in: without) == "–: taken out by !eth1")
        #expect(
            try selection(here: [], elsewhere: [], before: before).withoutOutside.chosen.allSatisfy { $0.role == .pods }
        )
    }

    @Test(
        "what leads to endpoints elsewhere is chosen: a second NIC, a CNI's gateway port; what leads to pods is known")
    func endpoints() throws {
        let found = try selection(here: [8, 13], elsewhere: [3, 13])
        #expect(reason(of: "eth1", in: found) == "outside: leads to endpoints elsewhere, 10.9.3.7 for one")
        #expect(reason(of: "antrea-gw0", in: found)?.hasPrefix("outside: leads to endpoints elsewhere") == true)
        #expect(reason(of: "cni0", in: found) == "–: leads to pods of this node, 10.9.8.7 for one")
        #expect(
            found.forwarding.contains { $0.link.name == "cni0" } && !found.chosen.contains { $0.link.name == "cni0" })
        // The node address comes first, and whoever names devices has the word.
        #expect(
            try reason(of: "eth0", in: selection(here: [], elsewhere: [2]))
                == "outside: holds the node address 192.0.2.1")
        #expect(
            try reason(of: "eth1", in: selection(here: [], elsewhere: [3], named: ["eth0"]))
                == "–: not named by --devices")
        #expect(
            try reason(of: "eth1", in: selection(here: [], elsewhere: [3], named: ["!eth1"])) == "–: taken out by !eth1"
        )
    }

    @Test("devices of pods are found: a bridge and its ports, a pod's own, those of pods that serve nothing")
    func findsPods() throws {
        let bridged = try selection(here: [8], elsewhere: [3], findsPods: true)
        #expect(bridged.chosen.filter { $0.role == .pods }.map(\.link.name) == ["cni0", "veth7"])
        #expect(reason(of: "veth7", in: bridged) == "pods: a port of cni0, which leads to pods of this node (auto)")
        let routed = try selection(here: [15], elsewhere: [], findsPods: true, neighbors: [15, 16])
        #expect(routed.chosen.filter { $0.role == .pods }.map(\.link.name) == ["cali1", "cali2"])
        // A network that pods share with the node, or that leads elsewhere too, is no device of pods.
        let shared = try selection(here: [2, 13], elsewhere: [13], findsPods: true)
        #expect(shared.chosen.allSatisfy { $0.role == .outside })
        let without = try selection(here: [8], elsewhere: [], named: ["cni0"], pods: ["!veth7"], findsPods: true)
        #expect(without.chosen.map { "\($0.link.name) \($0.role?.rawValue ?? "–")" } == ["cni0 outside"])
    }

    @Test("without node addresses, default routes and tunnels tell")
    func defaultRoutes() throws {
        let selection = DeviceSelection(
            of: Self.network, nodeAddresses: [], named: DevicePatterns(), podInterfaces: DevicePatterns())
        #expect(selection.chosen.map(\.link.name) == ["eth0", "wg0", "flannel.1"])
        #expect(selection.chosen.map(\.link.hasEthernetHeader) == [true, false, true])
    }

    @Test(
        "a pattern that can name nothing is refused",
        arguments: [
            ("", "it names nothing"), ("eth0,", "it names nothing"), ("!", "it names nothing"),
            ("!!eth0", "\"!\" stands at the beginning only"), ("a/b", "no device has \"/\" in its name"),
            ("sixteen-letters-", "a device's name has 15 characters at most"),
        ])
    func refused(setting: String, problem: String) {
        let error = #expect(throws: DevicePatternError.self) {
            try DevicePatterns([setting], flag: "--devices")
        }
        #expect(error?.description.contains(" of --devices: \(problem); write names or globs") == true)
    }
}
