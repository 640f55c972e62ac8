package import Netlink
package import ServiceModel

/// What the kernel must be told for packets to pass through this node, and what of that is not so.
package struct ForwardingSettings: Sendable {
    /// A setting that is in the way.
    package struct Finding: Hashable, Sendable {
        package enum Severity: String, Hashable, Sendable {
            /// Packets are lost.
            case problem
            /// They are lost under circumstances that cannot be seen from here.
            case risk
        }

        package let setting: Sysctl
        /// What it is now; may be empty.
        package let value: String
        package let wanted: String
        package let severity: Severity
        /// What is wrong while it is so.
        package let effect: String
    }

    /// What is asked of the kernel.
    package struct Needs: Hashable, Sendable {
        /// The families that Services have.
        package var families: Set<IPFamily>
        /// Whether packets with a source address of this node go into the kernel's stack at a device, as they do when
        /// their source is translated there.
        package var localSources: Bool
        /// What connections of the node must not be given as a port of theirs.
        package var nodePorts: PortRange

        package init(
            families: Set<IPFamily>, localSources: Bool, nodePorts: PortRange = .usualNodePorts
        ) {
            self.families = families
            self.localSources = localSources
            self.nodePorts = nodePorts
        }
    }

    private let tree: SysctlTree

    package init(_ tree: SysctlTree = SysctlTree()) { self.tree = tree }

    /// Looks at the settings of the calling thread's network namespace.
    ///
    /// - Parameter devices: those that have programs.
    /// - Returns: what is to be changed, in the order in which it must be: a node that begins to forward IPv6 forgets
    ///   the routers that it learned, unless it has been told before not to.
    package func findings(
        for devices: DeviceSelection, in network: NetworkSnapshot, _ needs: Needs
    ) throws(NetworkError) -> [Finding] {
        var findings: [Finding] = []
        if needs.families.contains(.v6) {
            for device in devices.chosen where network.hasDefaultRoute(device.link.index, .v6) {
                findings += try routerAdvertisements(device.link.name)
            }
            findings += try forwarding6()
        }
        if needs.families.contains(.v4) {
            findings += try forwarding4(devices)
            for device in devices.chosen {
                findings += try reversePath(device.link.name, needs)
                if needs.localSources { findings += try localSources(device.link.name) }
            }
        }
        return findings + (try reservedPorts(needs.nodePorts))
    }

    /// Changes a setting as a finding says. Nothing else of swiftlet changes settings, and it does so on request only.
    package func set(_ finding: Finding) throws(NetworkError) { try tree.set(finding.setting, to: finding.wanted) }
}

// MARK: - Rules

extension ForwardingSettings {
    /// The kernel looks at the setting of the device that a packet arrives by; the one for all is written to each.
    private func forwarding4(_ devices: DeviceSelection) throws(NetworkError) -> [Finding] {
        let effect = "IPv4 packets to pods and other nodes end here"
        let forAll = try problem(Sysctl("net", "ipv4", "ip_forward"), wanted: 1, effect)
        guard forAll.isEmpty else { return forAll }
        var findings: [Finding] = []
        for device in devices.forwarding {
            findings += try problem(
                Sysctl("net", "ipv4", "conf", device.link.name, "forwarding"), wanted: 1,
                "IPv4 packets that arrive by \(device.link.name) end here")
        }
        return findings
    }

    /// A connection of the node with a NodePort as its port would never hear its answers.
    private func reservedPorts(_ nodePorts: PortRange) throws(NetworkError) -> [Finding] {
        guard let local = try tree.localPorts(), local.mayTake(nodePorts) else { return [] }
        let text = try tree.text(SysctlTree.reservedPorts) ?? ""
        return [
            Finding(
                setting: SysctlTree.reservedPorts, value: text,
                wanted: (text.isEmpty ? "" : text + ",") + "\(nodePorts)", severity: .risk,
                effect: "net.ipv4.ip_local_port_range is \(local.range), so that connections of the node may be given "
                    + "NodePorts (\(nodePorts)) as their own ports")
        ]
    }

    /// The kernel looks at the setting for all devices only.
    private func forwarding6() throws(NetworkError) -> [Finding] {
        let effect = "IPv6 packets to pods and other nodes end here"
        return try problem(Sysctl("net", "ipv6", "conf", "all", "forwarding"), wanted: 1, effect)
    }

    private func problem(_ setting: Sysctl, wanted: Int, _ effect: String) throws(NetworkError) -> [Finding] {
        guard let value = try tree.number(setting), value != wanted else { return [] }
        return [
            Finding(setting: setting, value: "\(value)", wanted: "\(wanted)", severity: .problem, effect: effect)
        ]
    }

    /// With 1, a node that forwards takes no advertisements; with 2 it does. With 0 they are not the kernel's business.
    private func routerAdvertisements(_ device: String) throws(NetworkError) -> [Finding] {
        let setting = Sysctl("net", "ipv6", "conf", device, "accept_ra")
        guard let value = try tree.number(setting), value == 1 else { return [] }
        return [
            Finding(
                setting: setting, value: "\(value)", wanted: "2", severity: .risk,
                effect: "the default route, if it was learned from a router, ends once IPv6 is forwarded")
        ]
    }

    /// The stricter of two settings counts; the kernel's numbers are 1 for strict, 2 for loose.
    private func reversePath(_ device: String, _ needs: Needs) throws(NetworkError) -> [Finding] {
        let setting = Sysctl("net", "ipv4", "conf", device, "rp_filter")
        guard let own = try tree.number(setting) else { return [] }
        let all = try tree.number(Sysctl("net", "ipv4", "conf", "all", "rp_filter")) ?? 0
        let value = max(own, all)
        guard value == 1 else { return [] }
        // An address of this node never has its way back by the device that the packet came from.
        let severity: Finding.Severity = needs.localSources ? .problem : .risk
        let effect =
            needs.localSources
            ? "packets whose source was translated to an address of this node are dropped"
            : "packets are dropped when the way back to their source is by another device"
        return [Finding(setting: setting, value: "\(value)", wanted: "2", severity: severity, effect: effect)]
    }

    /// One of the two settings suffices.
    private func localSources(_ device: String) throws(NetworkError) -> [Finding] {
        let all = try tree.number(Sysctl("net", "ipv4", "conf", "all", "accept_local")) ?? 0
        guard all == 0 else { return [] }
        return try problem(
            Sysctl("net", "ipv4", "conf", device, "accept_local"), wanted: 1,
            "packets whose source was translated to an address of this node are dropped")
    }
}

extension NetworkSnapshot {
    fileprivate func hasDefaultRoute(_ link: LinkIndex, _ family: IPFamily) -> Bool {
        defaultRoutes.contains(DefaultRoute(link: link, family: family))
    }
}

extension ForwardingSettings.Finding: CustomStringConvertible {
    /// "net.ipv4.ip_forward is 0: IPv4 packets to pods and other nodes end here; sysctl -w net.ipv4.ip_forward=1".
    package var description: String {
        "\(state): \(effect); sysctl -w \(setting.name)=\(wanted)"
    }

    /// "net.ipv4.ip_forward is 0".
    package var state: String { "\(setting.name) is \(value.isEmpty ? "empty" : value)" }
}
