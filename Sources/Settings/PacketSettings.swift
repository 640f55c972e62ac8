package import ManifestDirectory
package import NodeNetwork
package import ServiceModel

/// Which packets are translated at tc, and how.
package struct PacketSettings: Sendable, Hashable {
    package var devices = DeviceChoice.automatic
    /// The node's side of devices of pods whose sockets cannot be hooked.
    package var podInterfaces = PodInterfaceChoice()
    /// How a packet goes on that was given its endpoint.
    package var forwarding = ForwardingChoice.stack
    /// Where flows that get an address of the node take their ports from; empty: what nothing else uses.
    package var masqueradePorts: [PortRange] = []
    /// Where Services get NodePorts from.
    package var nodePortRange = PortRange.usualNodePorts
    /// ClusterIPs serve clients outside the node too, as with kube-proxy.
    package var servesClusterIPsOutside = true
    /// Where ClusterIPs come from: packets to an unused one are dropped (spec 28).
    package var serviceCIDRs: [CIDR] = []
    /// Change the kernel's settings that are in the way of forwarding.
    package var setsSysctls = false
    /// How long flows live without a packet.
    package var timeouts = FlowTimeouts()

    /// How many ranges of each kind and IP family the programs have room for: `LB_RANGES`, which a test compares.
    package static let mostRanges = 8

    package init() {}
}

/// Which devices towards the network get programs.
package enum DeviceChoice: Sendable, Hashable {
    case none
    /// Those that hold a node address or a default route, or lead to endpoints that are not on this node.
    case automatic
    case named(DevicePatterns)

    /// Reads `none`, `auto`, or patterns like `eth*,!eth9`.
    package init(settings: [String]) throws(SettingMistake) {
        switch settings {
        case ["none"]: self = .none
        case ["auto"], []: self = .automatic
        default: self = .named(try DevicePatterns(settings: settings, flag: "--devices"))
        }
    }

    var settings: [String] {
        switch self {
        case .none: ["none"]
        case .automatic: ["auto"]
        case .named(let patterns): patterns.settings
        }
    }

    package var patterns: DevicePatterns {
        if case .named(let patterns) = self { patterns } else { DevicePatterns() }
    }
}

extension DevicePatterns {
    package init(settings: [String], flag: String) throws(SettingMistake) {
        do {
            self = try DevicePatterns(settings, flag: flag)
        } catch {
            throw SettingMistake("write names or patterns like eth*,!eth9: \(error)")
        }
    }

    var settings: [String] { included + excluded.map { "!\($0)" } }
}

/// Which devices lead to pods whose sockets cannot be hooked.
package struct PodInterfaceChoice: Sendable, Hashable {
    package var patterns = DevicePatterns()
    /// Also those that lead to this node's endpoints.
    package var isAutomatic = false

    package init() {}

    /// Reads patterns like `veth*,!veth9`; the word `auto` among them adds what is found.
    package init(settings: [String], flag: String) throws(SettingMistake) {
        let words = settings.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        isAutomatic = words.contains("auto")
        patterns = try DevicePatterns(settings: words.filter { $0 != "auto" }, flag: flag)
    }

    var settings: [String] { (isAutomatic ? ["auto"] : []) + patterns.settings }

    /// Whether some may be chosen.
    package var areNamed: Bool { isAutomatic || !patterns.included.isEmpty }
}

/// How a packet goes on that was given its endpoint.
package enum ForwardingChoice: String, Sendable, Hashable, CaseIterable {
    /// The kernel routes it, with all that it knows of forwarding: netfilter, IPsec, reverse paths, fragments.
    case stack
    /// It is sent on at once, past all that.
    case redirect

    package init(setting: String) throws(SettingMistake) {
        guard let choice = ForwardingChoice(rawValue: setting) else { throw SettingMistake("write stack or redirect") }
        self = choice
    }

    /// What is not asked any more; nil when all is.
    package var passesBy: String? {
        switch self {
        case .stack: nil
        case .redirect:
            "packets of Services pass by netfilter's FORWARD (network policies, firewalls) and rp_filter: "
                + "--forwarding=redirect"
        }
    }
}

extension PortRange {
    /// Reads `30000-32767`, or one port.
    package init(setting: String) throws(SettingMistake) {
        let ends = setting.filter { !$0.isWhitespace }.split(separator: "-", omittingEmptySubsequences: false)
        let numbers = ends.compactMap { UInt16($0) }.filter { $0 > 0 }
        guard (1...2).contains(ends.count), numbers.count == ends.count, let first = numbers.first,
            let last = numbers.last, let range = PortRange(first, last)
        else { throw SettingMistake("write ports like 30000-32767") }
        self = range
    }

    /// Reads `auto`, which is none, or ranges separated by commas.
    package static func masqueradePorts(setting: String) throws(SettingMistake) -> [PortRange] {
        if setting == "auto" { return [] }
        var ranges: [PortRange] = []
        for part in setting.split(separator: ",", omittingEmptySubsequences: false) {
            let range = try PortRange(setting: String(part))
            guard !ranges.contains(where: range.overlaps) else { throw SettingMistake("write each port once") }
            ranges.append(range)
        }
        guard ranges.count <= MasqueradePorts.maxRanges else {
            throw SettingMistake("write \(MasqueradePorts.maxRanges) ranges at most")
        }
        return ranges
    }
}

/// Whose sockets are served by the hooks; what they leave is left to tc.
package enum SocketService: String, Sendable, Hashable, CaseIterable {
    /// All below the cgroup.
    case full
    /// Those in the node's own network namespace.
    case host
    case off
    /// All below the cgroup, of one protocol: those of others are left to the packets.
    case tcp, udp

    package init(setting: String) throws(SettingMistake) {
        guard let choice = SocketService(rawValue: setting) else {
            throw SettingMistake("write full, tcp, udp, host or off")
        }
        self = choice
    }

    /// Whose sockets are destroyed.
    package init(destroying setting: String) throws(SettingMistake) {
        guard let choice = SocketService(rawValue: setting), choice.protocolAlone == nil else {
            throw SettingMistake("write full, host or off")
        }
        self = choice
    }

    /// Whether the hooks lead sockets of a protocol anywhere.
    package func serves(_ proto: IPProtocol) -> Bool { self != .off && (protocolAlone ?? proto) == proto }

    /// The only one that is served; nil for all.
    package var protocolAlone: IPProtocol? {
        switch self {
        case .tcp: .tcp
        case .udp: .udp
        case .full, .host, .off: nil
        }
    }
}
