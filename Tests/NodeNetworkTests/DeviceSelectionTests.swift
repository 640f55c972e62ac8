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
                "eth1 –: holds no node address and no default route", "eth2 –: down",
                "bond0 –: holds no node address and no default route", "eth3 –: a port of bond0, which has its packets",
                "wg0 outside: holds the default route of IPv6", "cni0 –: holds no node address and no default route",
                "veth7 pods: named by --pod-interfaces veth*", "eth4 outside: holds the node address 192.0.2.10",
                "red –: holds no node address and no default route",
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
