internal import ServiceModel

/// A map of the datapath; the raw value is its name as pinned.
package enum ServiceMap: String, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case services4, services6
    case slots4, slots6
    case backends4, backends6
    case sourceRanges4 = "source_ranges4"
    case sourceRanges6 = "source_ranges6"
    case vips4, vips6
    case vipFilter = "vip_filter"
    case nodePorts = "node_ports"
    case servicePorts = "service_ports"
    case affinity
    case socketOrigin = "sock_origin"
    case socketSpill = "sock_spill"
    case socketFlows = "sock_flows"
    case socketVIPs = "sock_vips"
    case socketGuards = "sock_guards"
    case partedVIPs = "parted_vips"
    case packetWays = "packet_ways"
    case boundPorts = "bound_ports"
    case leftCgroups = "left_cgroups"
    case leftDepths = "left_depths"
    case flows4, flows6
    case tuples4, tuples6
    case flowHands = "flow_hands"
    case flowFilter = "flow_filter"
    case fragments
    case outgoing
    case answerLimits = "answer_limits"
    case devices
    case masqueradePorts = "masq_ports"
    case nodeSources4 = "node_sources4"
    case nodeSources6 = "node_sources6"
    case ipsec4, ipsec6
    case counters
    case serviceCounters = "service_counts"
    case backendCounters = "backend_counts"
    case listeners
    case events

    package var description: String { rawValue }

    static func services(_ family: IPFamily) -> ServiceMap { family == .v4 ? .services4 : .services6 }
    static func slots(_ family: IPFamily) -> ServiceMap { family == .v4 ? .slots4 : .slots6 }
    static func backends(_ family: IPFamily) -> ServiceMap { family == .v4 ? .backends4 : .backends6 }
    static func sourceRanges(_ family: IPFamily) -> ServiceMap { family == .v4 ? .sourceRanges4 : .sourceRanges6 }
    static func nodeSources(_ family: IPFamily) -> ServiceMap { family == .v4 ? .nodeSources4 : .nodeSources6 }
    static func ipsec(_ family: IPFamily) -> ServiceMap { family == .v4 ? .ipsec4 : .ipsec6 }
    static func vips(_ family: IPFamily) -> ServiceMap { family == .v4 ? .vips4 : .vips6 }
}
