package import ManifestDirectory

/// What becomes of sockets whose backend is gone.
package struct SocketDestroySettings: Sendable, Hashable {
    /// Which are destroyed: all, those in the node's own network namespace, or none.
    package var whose = SocketService.full
    /// How many a second at most.
    package var perSecond: UInt32 = 5_000
    package var by = SocketDestroyBy.auto

    package init() {}
}

/// How sockets are destroyed.
package enum SocketDestroyBy: String, Sendable, Hashable, CaseIterable {
    /// By what the kernel has.
    case auto
    case bpf
    case netlink

    package init(setting: String) throws(SettingMistake) {
        guard let choice = SocketDestroyBy(rawValue: setting) else {
            throw SettingMistake("write auto, bpf or netlink")
        }
        self = choice
    }
}

extension SocketDestroySettings {
    /// Sockets a second; none at all is what `--socket-destroy=off` is for.
    package static func rate(setting: String) throws(SettingMistake) -> UInt32 {
        guard let rate = UInt32(setting), rate > 0 else {
            throw SettingMistake("write a number from 1 up; --socket-destroy=off destroys none")
        }
        return rate
    }
}
