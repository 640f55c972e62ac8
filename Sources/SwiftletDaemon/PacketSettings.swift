public import ManifestDirectory
public import NodeNetwork
public import ServiceModel

/// Which packets are translated at tc, and how.
public struct PacketSettings: Sendable, Hashable {
    public var devices = DeviceChoice.automatic
    /// The node's side of devices of pods whose sockets cannot be hooked.
    public var podInterfaces = DevicePatterns()
    /// ClusterIPs serve clients outside the node too, as with kube-proxy.
    public var servesClusterIPsOutside = true
    /// Where ClusterIPs come from: what nobody has is dropped (spec 28).
    public var serviceCIDRs: [CIDR] = []
    /// Change the kernel's settings that are in the way of forwarding.
    public var setsSysctls = false
    /// How long flows live without a packet.
    public var timeouts = FlowTimeouts()

    public init() {}
}

/// Which devices towards the network get programs.
public enum DeviceChoice: Sendable, Hashable {
    case none
    /// Those that hold a node address or a default route.
    case automatic
    case named(DevicePatterns)

    /// Reads `none`, `auto`, or patterns like `eth*,!eth9`.
    public init(settings: [String]) throws(SettingMistake) {
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

    var patterns: DevicePatterns {
        if case .named(let patterns) = self { patterns } else { DevicePatterns() }
    }
}

extension DevicePatterns {
    public init(settings: [String], flag: String) throws(SettingMistake) {
        do {
            self = try DevicePatterns(settings, flag: flag)
        } catch {
            throw SettingMistake("write names or patterns like eth*,!eth9: \(error)")
        }
    }

    var settings: [String] { included + excluded.map { "!\($0)" } }
}

/// Whose sockets are served by the hooks; what they leave is left to tc.
public enum SocketService: String, Sendable, Hashable, CaseIterable {
    /// All below the cgroup.
    case full
    /// Those in the node's own network namespace.
    case host
    case off

    public init(setting: String) throws(SettingMistake) {
        guard let choice = SocketService(rawValue: setting) else { throw SettingMistake("write full, host or off") }
        self = choice
    }
}
