import ServiceModel

/// What the verdict on a device depends on.
struct DeviceQuestion {
    private let network: NetworkSnapshot
    private let nodeAddresses: Set<IPAddress>
    private let endpoints: EndpointDevices
    private let named: DevicePatterns
    private let podInterfaces: DevicePatterns
    /// What `--pod-interfaces auto` has found.
    private var found: [LinkIndex: DeviceSelection.Reason] = [:]

    typealias Verdict = (role: DeviceSelection.Role?, reason: DeviceSelection.Reason)

    init(
        network: NetworkSnapshot, nodeAddresses: Set<IPAddress>, endpoints: EndpointDevices, named: DevicePatterns,
        podInterfaces: DevicePatterns, findsPods: Bool
    ) {
        self.network = network
        self.nodeAddresses = nodeAddresses
        self.endpoints = endpoints
        self.named = named
        self.podInterfaces = podInterfaces
        if findsPods { found = podDevices() }
    }

    func verdict(on link: NetworkLink) -> Verdict {
        if link.isLoopback { return (nil, .isLoopback) }
        if !link.isUp { return (nil, .isDown) }
        if let verdict = verdictOnPodInterface(link) { return verdict }
        if let pattern = named.exclusion(of: link.name) { return (nil, .isTakenOut(pattern: pattern)) }
        let naming = named.inclusion(of: link.name)
        // Its packets are the master's, where they would be counted and translated again. A name that is written out counts.
        if naming != link.name, let master = masterThatTakesPackets(of: link) { return (nil, .isPort(of: master)) }
        if let naming { return (.outside, .namedAsDevice(pattern: naming)) }
        if !named.included.isEmpty { return (nil, .isNotNamed) }
        return verdictByUse(of: link)
    }

    /// It is where pods' packets come from, a port of a bridge or not.
    private func verdictOnPodInterface(_ link: NetworkLink) -> Verdict? {
        let exclusion = podInterfaces.exclusion(of: link.name)
        if let pattern = podInterfaces.inclusion(of: link.name) {
            if let exclusion { return (nil, .isTakenOut(pattern: exclusion)) }
            return (.pods, .namedAsPodInterface(pattern: pattern))
        }
        // What was only found does not overrule a name that is written out.
        guard exclusion == nil, named.inclusion(of: link.name) != link.name else { return nil }
        return found[link.index].map { (.pods, $0) }
    }

    private func verdictByUse(of link: NetworkLink) -> Verdict {
        if let reason = outsideReason(for: link) { return (.outside, reason) }
        if let address = endpoints.here[link.index]?.examples.first { return (nil, .leadsToPods(address)) }
        return (nil, .holdsNothing)
    }

    private func outsideReason(for link: NetworkLink) -> DeviceSelection.Reason? {
        let own = network.addresses.filter { $0.link == link.index && nodeAddresses.contains($0.address) }
        if let address = own.map(\.address).min() { return .holdsNodeAddress(address) }
        let routes = network.routes.defaults.filter { $0.link == link.index }
        if let family = routes.map(\.destination.family).min() { return .holdsDefaultRoute(family) }
        if let kind = link.kind, Self.kindsOfTunnels.contains(kind) { return .leadsToNodes(kind: kind) }
        return (endpoints.elsewhere[link.index]?.examples.first).map { .leadsToEndpoints($0) }
    }

    // MARK: - Devices of pods

    /// What the routes to this node's endpoints lead to, and whatever must be served with it.
    private func podDevices() -> [LinkIndex: DeviceSelection.Reason] {
        var found: [LinkIndex: DeviceSelection.Reason] = [:]
        for (index, group) in endpoints.here {
            guard let link = network.link(index), let address = group.examples.first, outsideReason(for: link) == nil
            else { continue }
            found[index] = .foundAsPodInterface(address)
        }
        // From one port of a bridge to another packets pass without the bridge's device.
        for link in network.links {
            guard link.portKind == "bridge", Self.kindsOfPods.contains(link.kind ?? ""), let bridge = link.master,
                found[bridge] != nil, let name = network.link(bridge)?.name
            else { continue }
            found[link.index] = .foundAsPort(of: name)
        }
        return found.merging(devicesWithNeighbors(like: found)) { first, _ in first }
    }

    /// With a routed CNI each pod has a device: of those whose pods serve nothing, routes tell.
    private func devicesWithNeighbors(
        like found: [LinkIndex: DeviceSelection.Reason]
    ) -> [LinkIndex: DeviceSelection.Reason] {
        let links = Dictionary(uniqueKeysWithValues: network.links.map { ($0.index, $0) })
        let own = network.routes.routes.lazy.filter(\.isToNeighbor).compactMap(\.link)
            .filter { links[$0]?.kind == "veth" && links[$0]?.master == nil }
        guard own.contains(where: { found[$0] != nil }) else { return [:] }
        let devices = Set(own).filter { links[$0].map { outsideReason(for: $0) == nil } ?? false }
        return Dictionary(uniqueKeysWithValues: devices.map { ($0, .foundByRoute) })
    }

    // MARK: - Kinds of device

    /// Pods of other nodes may be behind them, and their replies come back that way.
    private static let kindsOfTunnels: Set<String> = [
        "vxlan", "geneve", "ipip", "ip6tnl", "sit", "gre", "gretap", "ip6gre", "ip6gretap", "wireguard",
    ]

    /// The node's ends of pods' and virtual machines' devices.
    private static let kindsOfPods: Set<String> = ["veth", "tun", "netkit"]

    /// Not every master does: a VRF's devices keep theirs.
    private static let kindsThatTakePackets: Set<String> = ["bridge", "bond", "team", "openvswitch"]

    private func masterThatTakesPackets(of link: NetworkLink) -> String? {
        guard let master = link.master, let kind = link.portKind, Self.kindsThatTakePackets.contains(kind),
            // A port that Open vSwitch made itself is where the node's own packets leave and arrive.
            link.kind != "openvswitch"
        else { return nil }
        return network.link(master)?.name ?? "a \(kind)"
    }
}
