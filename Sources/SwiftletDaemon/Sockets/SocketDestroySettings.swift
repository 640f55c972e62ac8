public import ManifestDirectory
import SocketDestroy

/// What becomes of sockets whose backend is gone.
public struct SocketDestroySettings: Sendable, Hashable {
    /// Whose are destroyed: everybody's, those in the node's own network namespace, or nobody's.
    public var whose = SocketService.full
    /// How many a second at most.
    public var perSecond: UInt32 = 5_000
    public var by = SocketDestroyBy.auto

    public init() {}
}

/// How sockets are destroyed.
public enum SocketDestroyBy: String, Sendable, Hashable, CaseIterable {
    /// By what the kernel has.
    case auto
    case bpf
    case netlink

    public init(setting: String) throws(SettingMistake) {
        guard let choice = SocketDestroyBy(rawValue: setting) else {
            throw SettingMistake("write auto, bpf or netlink")
        }
        self = choice
    }

    var mechanism: DestroyMechanism? {
        switch self {
        case .auto: nil
        case .bpf: .bpf
        case .netlink: .netlink
        }
    }
}

extension SocketDestroySettings {
    mutating func apply(_ layer: ConfigurationLayer) {
        whose = layer.socketDestroy ?? whose
        perSecond = layer.socketDestroyRate ?? perSecond
        by = layer.socketDestroyBy ?? by
    }
}
