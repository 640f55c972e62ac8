package import ServiceModel

/// The node's side of the way from a pod of this node to an endpoint: the kernel is asked what it would do with packets that come
/// by the pod's device, and nothing is sent.
package struct PodSide: Sendable {
    /// What closes it.
    package enum Fault: String, Sendable, Hashable {
        /// The device is down.
        case deviceDown
        /// `net.ipv4.conf.DEVICE.forwarding` is 0.
        case notForwarding
        /// `rp_filter` of the device takes the source for a false one.
        case reversePath
        /// A rule or a route.
        case noWayOn
        /// Nothing leads back to the pod, or to another one's device.
        case noWayBack
        /// The same for the answers, which come by the endpoint's device.
        case noWayForAnswers
    }

    package struct Obstacle: Sendable, Hashable {
        package var fault: Fault
        package var device: String
        /// Where the way back leads: `eth0 via 192.0.2.254`.
        package var leadsBy: String?
    }

    /// Of the pod.
    package let address: IPAddress
    /// The node's device that its packets come by: the other end of its veth, or the bridge that this is a port of.
    package let device: NetworkLink
    private let network: NetworkSnapshot
    private let sysctls: SysctlTree

    package init(
        address: IPAddress, device: NetworkLink, network: NetworkSnapshot, sysctls: SysctlTree = SysctlTree()
    ) {
        self.address = address
        self.device = device
        self.network = network
        self.sysctls = sysctls
    }

    /// The device of a pod by its own end of the veth; nil where that is no veth to this node.
    package static func device(ofPeer own: NetworkLink, on network: NetworkSnapshot) -> NetworkLink? {
        guard own.kind == "veth", let peer = own.peer.flatMap(network.link), peer.kind == "veth",
            peer.peer == own.index
        else { return nil }
        guard let master = peer.master else { return peer }
        return peer.portKind == "bridge" && peer.isUp ? network.link(master) : peer.isUp ? nil : peer
    }

    /// What closes the way to an endpoint; nil where nothing is seen to.
    package func obstacle(to endpoint: IPAddress) -> Obstacle? {
        if endpoint == address || endpoint.family != address.family { return nil }
        if !device.isUp { return Obstacle(fault: .deviceDown, device: device.name) }
        let direct = try? Route.find(to: endpoint)
        // A bridge passes on to its own ports without asking for a route.
        if let direct, direct.link == device.index { return nil }
        let back = try? Route.find(to: address)
        let leadsBy = back.flatMap(text)
        guard let onward = try? Route.find(to: endpoint, from: address, arrivingBy: device.index) else {
            return Obstacle(
                fault: cause(on: device, of: back, isLocal: direct?.isLocal == true) ?? .noWayOn, device: device.name,
                leadsBy: leadsBy)
        }
        guard let back, !back.isLocal else {
            return back == nil ? Obstacle(fault: .noWayBack, device: device.name) : nil
        }
        if network.isDefault(back, to: address) || leadsToAnother(back) {
            return Obstacle(fault: .noWayBack, device: device.name, leadsBy: leadsBy)
        }
        guard !onward.isLocal, onward.gateway == nil, let next = network.link(onward.link) else { return nil }
        if (try? Route.find(to: address, from: endpoint, arrivingBy: next.index)) != nil { return nil }
        let fault = cause(on: next, of: try? Route.find(to: endpoint), isLocal: false) ?? .noWayForAnswers
        return Obstacle(fault: fault == .reversePath ? .noWayForAnswers : fault, device: next.name)
    }

    /// A veth that is another one than the pod's, and no way round by an address of this node.
    private func leadsToAnother(_ route: Route) -> Bool {
        guard route.link != device.index, device.kind == "veth", route.gateway == nil else { return false }
        return network.link(route.link)?.kind == "veth"
    }

    /// A setting of the device that lets nothing pass which has its source by another way.
    private func cause(on link: NetworkLink, of back: Route?, isLocal: Bool) -> Fault? {
        guard address.family == .v4 else { return nil }
        func number(_ device: String, _ name: String) -> Int {
            (try? sysctls.number(Sysctl("net", "ipv4", "conf", device, name))) ?? 0
        }
        let forwards = (try? sysctls.number(Sysctl("net", "ipv4", "conf", link.name, "forwarding"))) ?? 1
        if forwards == 0 && !isLocal { return .notForwarding }
        let filter = max(number("all", "rp_filter"), number(link.name, "rp_filter"))
        return filter == 1 && back?.link != link.index || filter == 2 && back == nil ? .reversePath : nil
    }

    private func text(_ route: Route) -> String? {
        network.link(route.link).map { $0.name + (route.gateway.map { " via \($0)" } ?? "") }
    }
}
