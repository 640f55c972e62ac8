import CDatapath
import NodeNetwork
import ServiceMaps
import ServiceModel
import Settings

// What the programs are told about the node.
extension DeviceKeeper {
    /// The node's addresses towards each device that has programs, and towards all others.
    func entries(
        for chosen: [DeviceSelection.Device], _ sources: [LinkIndex: DeviceSources]
    ) -> [UInt32: device] {
        var entries: [UInt32: device] = [:]
        for item in chosen {
            let index = item.link.index
            var entry = device()
            entry.mtu = item.link.mtu
            if let role = item.role { entry.role = device_role(role) }
            if let address = sources[index]?.usual4 { copy(address.bytes, into: &entry.address4) }
            if let address = sources[index]?.usual6 { copy(address.bytes, into: &entry.address6) }
            entries[index.rawValue] = entry
        }
        var other = device()
        if let address = address(.v4) { copy(address.bytes, into: &other.address4) }
        if let address = address(.v6) { copy(address.bytes, into: &other.address6) }
        entries[UInt32(LB_ANY_DEVICE)] = other
        return entries
    }

    /// The node's own address: that of its Node object, or what a default route would give.
    private func address(_ family: IPFamily) -> IPAddress? {
        let candidates = network.addresses.filter { entry in
            entry.family == family && entry.isUsable && !entry.isDeprecated && entry.scope == .global
                && !entry.address.isLinkLocal
        }
        let primary = candidates.first { node.addresses.contains($0.address) }
        let routed = candidates.first { candidate in
            network.defaultRoutes.contains { $0.link == candidate.link && $0.family == family }
        }
        return (primary ?? routed ?? candidates.first)?.address
    }

    func nodeEntries(_ sources: [LinkIndex: DeviceSources]) -> NodeMapEntries {
        let exceptions = sources.sorted { $0.key < $1.key }.flatMap { link, sources in
            sources.others.map {
                NodeMapEntries.Source(device: link.rawValue, range: $0.range, address: $0.address)
            }
        }
        return NodeMapEntries(
            masqueradePorts: masqueradePorts.ranges.map { $0.first...$0.last }, sources: exceptions,
            closedRanges: network.closedRanges)
    }

    var masqueradePorts: MasqueradePorts {
        MasqueradePorts(chosen: settings.masqueradePorts, nodePorts: settings.nodePortRange, local: localPorts)
    }

    /// - Returns: whether they have changed. What cannot be read is as it was.
    func readLocalPorts() -> Bool {
        guard let ports = try? SysctlTree().localPorts(), ports != localPorts else { return false }
        localPorts = ports
        return true
    }

    /// What leads to the endpoints of a cluster's Services.
    func devices(towards cluster: ClusterState) -> EndpointDevices {
        var endpoints: [EndpointDevices.Endpoint] = []
        cluster.forEachEndpoint { endpoint in
            let place: EndpointDevices.Place =
                switch endpoint.nodeName {
                case nil: .unknown
                case nodeName: .thisNode
                default: .otherNode
                }
            endpoints.append(EndpointDevices.Endpoint(endpoint.address, place))
        }
        return EndpointDevices(of: endpoints, in: network)
    }
}

extension device_role {
    init(_ role: DeviceSelection.Role) { self = role == .pods ? LEADS_TO_PODS : LEADS_OUTSIDE }
}

extension DeviceSelection.Role {
    /// Nil for what names no role.
    init?(_ role: device_role) {
        switch role {
        case LEADS_OUTSIDE: self = .outside
        case LEADS_TO_PODS: self = .pods
        default: return nil
        }
    }
}
