package import ServiceModel

/// Which devices get programs, with the reason for each. A pure function of what is there and what was asked for.
package struct DeviceSelection: Hashable, Sendable {
    /// What a chosen device leads to.
    package enum Role: String, Hashable, Sendable {
        /// Clients and other nodes.
        case outside
        /// Pods of this node whose sockets cannot be hooked.
        case pods
    }

    package indirect enum Reason: Hashable, Sendable {
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
        /// Endpoints that are not on this node are reached by it, this one for example.
        case leadsToEndpoints(IPAddress)
        /// Endpoints of this node are behind it, this one for example.
        case leadsToPods(IPAddress)
        /// The same, and `--pod-interfaces auto`.
        case foundAsPodInterface(IPAddress)
        /// `--pod-interfaces auto`, and a port of that bridge, behind which endpoints of this node are.
        case foundAsPort(of: String)
        /// `--pod-interfaces auto`, and it has a neighbour with a route of its own, as devices of pods have.
        case foundByRoute
        /// It was chosen before, and is not now for this reason: flows that are open are translated there.
        case keepsPrograms(although: Reason)
    }

    /// The verdict on one device.
    package struct Device: Hashable, Sendable {
        package let link: NetworkLink
        /// Nil when the device is left alone.
        package let role: Role?
        package let reason: Reason
    }

    /// All devices that there are, by index.
    package let devices: [Device]

    /// The same without the devices towards the network.
    package var withoutOutside: DeviceSelection {
        DeviceSelection(
            devices: devices.map { $0.role == .outside ? Device(link: $0.link, role: nil, reason: .isNotWanted) : $0 })
    }

    private init(devices: [Device]) { self.devices = devices }

    /// Those that get programs.
    package var chosen: [Device] { devices.filter { $0.role != nil } }

    /// Those that packets of ours arrive by, with programs or without.
    package var forwarding: [Device] {
        devices.filter { device in
            if case .leadsToPods = device.reason { true } else { device.role != nil }
        }
    }

    /// - Parameters:
    ///   - nodeAddresses: the node's own, of its Node object.
    ///   - endpoints: what leads to the endpoints of Services.
    ///   - named: `--devices`. If it names none, those with a node address or a default route are chosen, and those that
    ///     lead to endpoints which are not on this node.
    ///   - podInterfaces: `--pod-interfaces`.
    ///   - findsPods: `--pod-interfaces auto`: those that lead to this node's endpoints are devices of pods, unless
    ///     `podInterfaces` takes them out.
    ///   - before: what was chosen until now. A device that is down, lost its address or leads to no endpoint any more keeps
    ///     its programs: without them the flows that are open there would be reset (spec 27, 31).
    package init(
        of network: NetworkSnapshot, nodeAddresses: Set<IPAddress>, endpoints: EndpointDevices = EndpointDevices(),
        named: DevicePatterns, podInterfaces: DevicePatterns, findsPods: Bool = false,
        before: [LinkIndex: Role] = [:]
    ) {
        let question = DeviceQuestion(
            network: network, nodeAddresses: nodeAddresses, endpoints: endpoints, named: named,
            podInterfaces: podInterfaces, findsPods: findsPods)
        devices = network.links.map { link in
            let (role, reason) = question.verdict(on: link)
            if role == nil, let served = before[link.index], reason.leavesPrograms(of: served) {
                return Device(link: link, role: served, reason: .keepsPrograms(although: reason))
            }
            return Device(link: link, role: role, reason: reason)
        }
    }
}

extension DeviceSelection.Reason {
    /// Whether it does not say that the device must be left alone.
    fileprivate func leavesPrograms(of role: DeviceSelection.Role) -> Bool {
        switch self {
        case .isDown, .holdsNothing, .leadsToPods, .isNotNamed: true
        // A pod's device was one when it was chosen; another one has become one, and its master has its packets.
        case .isPort: role == .pods
        default: false
        }
    }
}

extension DeviceSelection.Reason: CustomStringConvertible {
    /// For `status`: the rest of a sentence that begins with the device.
    package var description: String {
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
        case .holdsNothing: "its addresses are not in this node's Node object, and no default route uses it"
        case .leadsToEndpoints(let address): "leads to endpoints elsewhere, \(address) for one"
        case .leadsToPods(let address): "leads to pods of this node, \(address) for one"
        case .foundAsPodInterface(let address): "leads to pods of this node, \(address) for one (auto)"
        case .foundAsPort(let bridge): "a port of \(bridge), which leads to pods of this node (auto)"
        case .foundByRoute: "has a route to one neighbour, as devices of pods have (auto)"
        case .keepsPrograms(let reason): "\(reason); it keeps its programs, for flows that are open"
        }
    }
}
