package import ServiceModel
package import Settings

/// What of the settings is told to programs, or decides where they are attached.
package struct InstallSettings: Sendable {
    /// Whose sockets the hooks of the cgroup serve.
    package var sockets: SocketService
    /// Keeps listeners off NodePorts.
    package var bindProtection: Bool
    package var packets: PacketSettings
    package var localTraffic: LocalTrafficSettings
    /// All that Services get from this node has its address (spec 18).
    package var masqueradesAll: Bool
    package var nodeName: String

    package init(
        sockets: SocketService, bindProtection: Bool, packets: PacketSettings, node: NodeSettings
    ) {
        self.sockets = sockets
        self.bindProtection = bindProtection
        self.packets = packets
        localTraffic = node.localTraffic
        masqueradesAll = node.masqueradesAll
        nodeName = node.name
    }
}
