public import ServiceModel

/// Which devices get programs, with the reason for each. A pure function of what is there and what was asked for.
public struct DeviceSelection: Hashable, Sendable {
    /// What a chosen device leads to.
    public enum Role: String, Hashable, Sendable {
        /// Clients and other nodes.
        case outside
        /// Pods of this node whose sockets cannot be hooked.
        case pods
    }

    public enum Reason: Hashable, Sendable {
        case namedAsDevice(pattern: String)
        case namedAsPodInterface(pattern: String)
        case holdsNodeAddress(IPAddress)
        case holdsDefaultRoute(IPFamily)
        /// A tunnel, of this kind.
        case leadsToNodes(kind: String)
        case isLoopback
        case isDown
        case isTakenOut(pattern: String)
        case isPort(of: String)
        case isNotNamed
        /// `--devices none`.
        case isNotWanted
        case holdsNothing
    }

    /// The verdict on one device.
    public struct Device: Hashable, Sendable {
        public let link: NetworkLink
        /// Nil when the device is left alone.
        public let role: Role?
        public let reason: Reason
    }

    /// All devices that there are, by index.
    public let devices: [Device]

    /// The same without the devices towards the network.
    public var withoutOutside: DeviceSelection {
        DeviceSelection(
            devices: devices.map { $0.role == .outside ? Device(link: $0.link, role: nil, reason: .isNotWanted) : $0 })
    }

    private init(devices: [Device]) { self.devices = devices }

    /// Those that get programs.
    public var chosen: [Device] { devices.filter { $0.role != nil } }

    /// - Parameters:
    ///   - nodeAddresses: the node's own, of its Node object.
    ///   - named: `--devices`. If it names none, those with a node address or a default route are chosen.
    ///   - podInterfaces: `--pod-interfaces`. Nothing else tells a device that leads to pods.
    public init(
        of network: NetworkSnapshot, nodeAddresses: Set<IPAddress>, named: DevicePatterns, podInterfaces: DevicePatterns
    ) {
        let question = Question(
            network: network, nodeAddresses: nodeAddresses, named: named, podInterfaces: podInterfaces)
        devices = network.links.map { link in
            let (role, reason) = question.verdict(on: link)
            return Device(link: link, role: role, reason: reason)
        }
    }
}

/// What a verdict depends on.
private struct Question {
    let network: NetworkSnapshot
    let nodeAddresses: Set<IPAddress>
    let named: DevicePatterns
    let podInterfaces: DevicePatterns

    typealias Verdict = (role: DeviceSelection.Role?, reason: DeviceSelection.Reason)

    func verdict(on link: NetworkLink) -> Verdict {
        if link.isLoopback { return (nil, .isLoopback) }
        if !link.isUp { return (nil, .isDown) }
        if let verdict = verdictOnPodInterface(link) { return verdict }
        if let pattern = named.exclusion(of: link.name) { return (nil, .isTakenOut(pattern: pattern)) }
        let naming = named.inclusion(of: link.name)
        // Its packets are the master's, who would count and translate them again. Who writes out its name means it.
        if naming != link.name, let master = masterThatTakesPackets(of: link) { return (nil, .isPort(of: master)) }
        if let naming { return (.outside, .namedAsDevice(pattern: naming)) }
        if !named.included.isEmpty { return (nil, .isNotNamed) }
        return verdictByUse(of: link)
    }

    /// It is where pods' packets come from, a port of a bridge or not.
    private func verdictOnPodInterface(_ link: NetworkLink) -> Verdict? {
        guard let pattern = podInterfaces.inclusion(of: link.name) else { return nil }
        if let exclusion = podInterfaces.exclusion(of: link.name) { return (nil, .isTakenOut(pattern: exclusion)) }
        return (.pods, .namedAsPodInterface(pattern: pattern))
    }

    private func verdictByUse(of link: NetworkLink) -> Verdict {
        let own = network.addresses.filter { $0.link == link.index && nodeAddresses.contains($0.address) }
        if let address = own.map(\.address).min() { return (.outside, .holdsNodeAddress(address)) }
        let routes = network.defaultRoutes.filter { $0.link == link.index }
        if let family = routes.map(\.family).min() { return (.outside, .holdsDefaultRoute(family)) }
        if let kind = link.kind, Self.kindsOfTunnels.contains(kind) { return (.outside, .leadsToNodes(kind: kind)) }
        return (nil, .holdsNothing)
    }

    /// Pods of other nodes may be behind them, and their replies come back that way.
    private static let kindsOfTunnels: Set<String> = [
        "vxlan", "geneve", "ipip", "ip6tnl", "sit", "gre", "gretap", "ip6gre", "ip6gretap", "wireguard",
    ]

    /// Not every master does: a VRF's devices keep theirs.
    private static let kindsThatTakePackets: Set<String> = ["bridge", "bond", "team", "openvswitch"]

    private func masterThatTakesPackets(of link: NetworkLink) -> String? {
        guard let master = link.master, let kind = link.portKind, Self.kindsThatTakePackets.contains(kind) else {
            return nil
        }
        return network.link(master)?.name ?? "a \(kind)"
    }
}

extension DeviceSelection.Reason: CustomStringConvertible {
    /// For `status`: the rest of a sentence that begins with the device.
    public var description: String {
        switch self {
        case .namedAsDevice(let pattern): "named by --devices \(pattern)"
        case .namedAsPodInterface(let pattern): "named by --pod-interfaces \(pattern)"
        case .holdsNodeAddress(let address): "holds the node address \(address)"
        case .holdsDefaultRoute(let family): "holds the default route of IP\(family)"
        case .leadsToNodes(let kind): "a tunnel (\(kind)), where other nodes' pods may be"
        case .isLoopback: "the loopback"
        case .isDown: "down"
        case .isTakenOut(let pattern): "taken out by !\(pattern)"
        case .isPort(let master): "a port of \(master), which has its packets"
        case .isNotNamed: "not named by --devices"
        case .isNotWanted: "--devices none"
        case .holdsNothing: "holds no node address and no default route"
        }
    }
}
