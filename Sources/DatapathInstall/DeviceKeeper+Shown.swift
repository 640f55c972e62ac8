// What `status` shows of devices: text for people, and for programs that read its JSON.
extension DeviceKeeper {
    /// A network device, and why it has programs or not.
    package struct Device: Codable, Sendable, Hashable {
        package var name: String
        /// `outside` or `pods`; nil when it is left alone.
        package var role: String?
        package var reason: String
        /// `tcx` or `clsact`.
        package var kind: String?
        /// Programs of others, and on which side of ours they run.
        package var foreign: [String]

        package init(name: String, role: String?, reason: String, kind: String?, foreign: [String]) {
            self.name = name
            self.role = role
            self.reason = reason
            self.kind = kind
            self.foreign = foreign
        }
    }

    /// How packets are translated on devices.
    package struct Packets: Codable, Sendable, Hashable {
        /// `stack` or `redirect`.
        package var forwarding: String
        /// Where flows with the node's address take their ports from: `1024-29999`.
        package var masqueradePorts: [String]
        /// Where nothing goes that got the node's address, because of an IPsec policy.
        package var closedRanges: [String]
        /// Whether ClusterIPs serve clients outside; nil of a daemon that does not tell.
        package var servesClusterIPs: Bool?

        package init(forwarding: String, masqueradePorts: [String], closedRanges: [String], servesClusterIPs: Bool) {
            self.forwarding = forwarding
            self.masqueradePorts = masqueradePorts
            self.closedRanges = closedRanges
            self.servesClusterIPs = servesClusterIPs
        }
    }
}
