internal import CDatapath

/// All maps of the datapath, a row for each.
package enum MapCatalog {
    package static let all: [MapDescription] = [
        .init(.services4, .hash, service4_key.self, service.self, .services, .frontends),
        .init(.services6, .hash, service6_key.self, service.self, .services, .frontends),
        .init(.slots4, .array, UInt32.self, slot4.self, .slots, .slots),
        .init(.slots6, .array, UInt32.self, slot6.self, .slots, .slots),
        .init(.backends4, .hash, UInt32.self, backend4.self, .backends, .backends),
        .init(.backends6, .hash, UInt32.self, backend6.self, .backends, .backends),
        .init(.sourceRanges4, .trie, source_range4_key.self, source_range.self, .sourceRanges, .sourceRanges),
        .init(.sourceRanges6, .trie, source_range6_key.self, source_range.self, .sourceRanges, .sourceRanges),
        .init(.vips4, .hash, vip4_key.self, vip.self, .services, .vips),
        .init(.vips6, .hash, vip6_key.self, vip.self, .services, .vips),
        .init(.vipFilter, .array, UInt32.self, UInt64.self, .programs(UInt32(LB_FILTER_WORDS)), .vipFilter),
        .init(.nodePorts, .hash, node_port_key.self, node_port.self, .services, .nodePorts),
        .init(.servicePorts, .hash, UInt32.self, service_port.self, .servicePorts, .names),
        .init(.affinity, .lruHash, affinity_key.self, CDatapath.affinity.self, .affinity, .affinity),
        .init(.socketOrigin, .array, UInt32.self, origin.self, .programs(UInt32(LB_ORIGINS)), .socketOrigin),
        .init(.socketSpill, .socketStorage, Int32.self, origin.self, .sockets, .socketSpill),
        .init(.socketFlows, .socketStorage, Int32.self, flows.self, .sockets, .socketFlows),
        .init(.socketVIPs, .lruHash, sock_vip_key.self, sock_vip.self, .programs(UInt32(LB_SOCK_VIPS)), .socketVIPs),
        .init(.socketGuards, .socketStorage, Int32.self, guards.self, .sockets, .socketGuards),
        .init(
            .partedVIPs, .lruHash, parted_vip_key.self, parted_vip.self, .programs(UInt32(LB_PARTED_VIPS)),
            .partedVIPs),
        .init(
            .packetWays, .lruHash, packet_way_key.self, packet_way.self, .programs(UInt32(LB_PACKET_WAYS)),
            .packetWays),
        .init(
            .boundPorts, .lruHash, bound_port_key.self, bound_port.self, .programs(UInt32(LB_BOUND_PORTS)),
            .boundPorts),
        .init(
            .leftCgroups, .hash, UInt64.self, left_cgroup.self, .node(UInt32(LB_LEFT_CGROUPS)), .leftCgroups),
        .init(.leftDepths, .array, UInt32.self, left_depths.self, .node(1), .leftDepths),
        .init(.flows4, .array, UInt32.self, flow4.self, .flows, .flows),
        .init(.flows6, .array, UInt32.self, flow6.self, .flows, .flows),
        .init(.tuples4, .hash, tuple4.self, UInt32.self, .tuples, .tuples),
        .init(.tuples6, .hash, tuple6.self, UInt32.self, .tuples, .tuples),
        .init(.flowHands, .perCPUArray, UInt32.self, flow_hand.self, .programs(2), .flowHands),
        .init(.flowFilter, .array, UInt32.self, flow_filter.self, .programs(UInt32(LB_FLOW_FILTER)), .flowFilter),
        .init(.fragments, .lruHash, fragment_key.self, fragment_ports.self, .fragments, .fragments),
        .init(.outgoing, .lruHash, outgoing_key.self, UInt64.self, .programs(UInt32(LB_OUTGOING)), .outgoing),
        .init(
            .answerLimits, .lruHash, vip6_key.self, answer_limit.self, .programs(UInt32(LB_ANSWER_LIMITS)),
            .answerLimits),
        .init(.devices, .hash, UInt32.self, device.self, .devices, .devices),
        .init(.masqueradePorts, .array, UInt32.self, masq_ports.self, .node(1), .masqueradePorts),
        .init(
            .nodeSources4, .trie, node_source4_key.self, node_source4.self, .node(UInt32(LB_NODE_SOURCES)),
            .nodeSources),
        .init(
            .nodeSources6, .trie, node_source6_key.self, node_source6.self, .node(UInt32(LB_NODE_SOURCES)),
            .nodeSources),
        .init(.ipsec4, .trie, ipsec4_key.self, ipsec_policy.self, .node(UInt32(LB_IPSEC_RANGES)), .ipsec),
        .init(.ipsec6, .trie, ipsec6_key.self, ipsec_policy.self, .node(UInt32(LB_IPSEC_RANGES)), .ipsec),
        .init(.counters, .perCPUArray, UInt32.self, UInt64.self, .programs(COUNT_MAX.rawValue), .counters),
        .init(.serviceCounters, .perCPUArray, UInt32.self, service_counter.self, .serviceCounters, .serviceCounters),
        .init(.backendCounters, .perCPUHash, UInt32.self, backend_counter.self, .backendCounters, .backendCounters),
        .init(.listeners, .array, UInt32.self, listener.self, .programs(1), .listeners),
        .init(.events, .ringBuffer, Void.self, Void.self, .programs(UInt32(LB_EVENT_BYTES)), .events),
    ]

    private static let byMap = Dictionary(uniqueKeysWithValues: all.map { ($0.map, $0) })

    package static func description(of map: ServiceMap) -> MapDescription {
        guard let row = byMap[map] else { preconditionFailure("\(map) has no row in the catalogue") }
        return row
    }
}

extension MapDescription.Words {
    fileprivate static let frontends = Self(
        purpose: "frontends: address, port, protocol and scope to the run of slots with their backends",
        units: "affinity_seconds in seconds, 0 without affinity; first_slot and count in slots",
        lifetime: "as long as the Service")
    fileprivate static let slots = Self(
        purpose: "runs of backends, one for each set of a service port", units: "the key is the slot's number",
        lifetime: "until a grace period after the last frontend has left the run")
    fileprivate static let backends = Self(
        purpose: "backend id to one endpoint of one service port", units: "flags are 0 or 1",
        lifetime: "until a grace period after the last run has left it")
    fileprivate static let sourceRanges = Self(
        purpose: "service port and range of addresses to whether its clients may come from there",
        units: "prefix_length is \(LB_RANGE_PREFIX) more than the range's, for the service id",
        lifetime: "until a grace period after no frontend asks for it any more")
    fileprivate static let vips = Self(
        purpose: "addresses with a ClusterIP, which refuse a port that no frontend serves",
        units: "frontends at this address", lifetime: "as long as the Service")
    fileprivate static let vipFilter = Self(
        purpose: "addresses and NodePorts that may be frontends, so that others cost no look-up",
        units: "two bits for addresses with all but the last byte equal, then one for each port",
        lifetime: "as long as the map: bits are never cleared")
    fileprivate static let nodePorts = Self(
        purpose: "NodePorts that no other listener may take", units: "the id of a service that has it",
        lifetime: "as long as the Service")
    fileprivate static let names = Self(
        purpose: "service id to the names that people use", units: "family is 4 or 6",
        reader: "people, control plane at start", lifetime: "as long as the service port has an entry")
    fileprivate static let affinity = Self(
        purpose: "client and service port to the backend that serves it",
        units: "last_use in ns of CLOCK_MONOTONIC", writer: "datapath",
        lifetime: "until its time-out, or until newer clients need the room")
    fileprivate static let socketOrigin = Self(
        purpose: "connected socket to what its program asked for, the way back",
        units: "the key is its cookie modulo the size", writer: "datapath", lifetime: "the socket's")
    fileprivate static let socketSpill = Self(
        purpose: "the same for sockets whose place in sock_origin is taken",
        units: "vip and address of IPv4 as ::ffff:a.b.c.d", writer: "datapath", lifetime: "the socket's")
    fileprivate static let socketFlows = Self(
        purpose: "unconnected UDP socket to the VIPs that it talks to", units: "its first \(LB_FLOWS) VIPs",
        writer: "datapath", lifetime: "the socket's")
    fileprivate static let socketVIPs = Self(
        purpose: "the same for further VIPs of such a socket", units: "an entry for the VIP, one for its backend",
        writer: "datapath", lifetime: "until newer VIPs of sockets need the room")
    fileprivate static let socketGuards = Self(
        purpose: "a pod's socket to the backends that only some sources may send to",
        units: "the connection's, and \(LB_GUARDS - 1) of datagrams", writer: "datapath", lifetime: "the socket's")
    fileprivate static let partedVIPs = Self(
        purpose: "VIPs that a pod's UDP socket leaves to the packets, since it has their endpoint by another VIP",
        units: "the key has the socket's port", writer: "datapath", lifetime: "until newer ones need the room")
    fileprivate static let packetWays = Self(
        purpose: "network namespaces to whether programs at tc see their packets", units: "ns of CLOCK_MONOTONIC",
        writer: "datapath", lifetime: "until newer ones need the room")
    fileprivate static let boundPorts = Self(
        purpose: "port that a TCP socket was bound to, and backend, to the socket that has both",
        units: "time in ns of CLOCK_MONOTONIC", writer: "datapath",
        lifetime: "until newer sockets with a port of their own need the room")
    fileprivate static let leftCgroups = Self(
        purpose: "cgroups whose processes' sockets are left to the packets",
        units: "the key is the cgroup's id; depth below the served cgroup", lifetime: "as long as the cgroup")
    fileprivate static let leftDepths = Self(
        purpose: "how deep these lie, so that without any nothing is looked up", units: "a bit for each depth",
        lifetime: "as long as the map")
    fileprivate static let flows = Self(
        purpose: "flows translated at tc: what the client asked, what the kernel forwards, what the backend sees",
        units: "the key is the flow's number; last_seen in ns of CLOCK_MONOTONIC", writer: "datapath",
        lifetime: "until it is over and is looked at, or the room is needed")
    fileprivate static let tuples = Self(
        purpose: "the owner of a tuple: the number of its flow", units: "up to \(LB_TUPLES_PER_FLOW) a flow",
        writer: "datapath", lifetime: "the flow's")
    fileprivate static let flowHands = Self(
        purpose: "where each CPU looks for a place for a new flow", units: "key 0 is IPv4's, 1 is IPv6's",
        writer: "datapath", lifetime: "as long as the map")
    fileprivate static let flowFilter = Self(
        purpose: "backends that may have flows, so that others cost no look-up", units: "a byte for each",
        writer: "datapath", lifetime: "as long as the map: bits are never cleared")
    fileprivate static let outgoing = Self(
        purpose: "answers that are awaited at the number of a NodePort, and are no client's question",
        units: "ns of CLOCK_MONOTONIC", writer: "datapath",
        lifetime: "the time-out of UDP flows, or until newer ones need the room")
    fileprivate static let answerLimits = Self(
        purpose: "how many ICMP errors a client may still get", units: "last and credit in ns", writer: "datapath",
        lifetime: "until newer clients need the room")
    fileprivate static let masqueradePorts = Self(
        purpose: "the ports of the node that masqueraded flows take", units: "both ends are included",
        lifetime: "as long as the map")
    fileprivate static let nodeSources = Self(
        purpose: "device and range of backends to the node's address towards them",
        units: "prefix_length is \(LB_SOURCE_PREFIX) more than the range's, for the ifindex",
        lifetime: "as long as the route or the address")
    fileprivate static let ipsec = Self(
        purpose: "ranges of backends that an IPsec policy is about", units: "prefix_length in bits",
        lifetime: "as long as the policy")
    fileprivate static let fragments = Self(
        purpose: "IP packets that come in pieces to the ports of the first", units: "the key has the packet's id",
        writer: "datapath", lifetime: "until newer packets need the room")
    fileprivate static let devices = Self(
        purpose: "devices with our programs to the node's address towards them",
        units: "the key is the interface's index", lifetime: "as long as our programs are on the device")
    fileprivate static let counters = Self(
        purpose: "how often each verdict was given", units: "the key is enum counter; events", writer: "datapath",
        reader: "people", lifetime: "as long as the map")
    fileprivate static let serviceCounters = Self(
        purpose: "how often each service port was used", units: "the key is the service id; events",
        writer: "datapath", reader: "people", lifetime: "zero when a service port gets the id")
    fileprivate static let backendCounters = Self(
        purpose: "how often each backend was chosen, with --metrics-per-backend",
        units: "the key is the backend's id; events", writer: "datapath", reader: "people",
        lifetime: "as long as the backend")
    fileprivate static let listeners = Self(
        purpose: "until when events are wanted; `swiftlet monitor` puts it off while it listens",
        units: "until in ns of CLOCK_MONOTONIC, 0 without a listener; lost in events",
        writer: "swiftlet monitor", lifetime: "as long as the map")
    fileprivate static let events = Self(
        purpose: "what became of connects, sends, binds and first packets", units: "struct event; capacity in bytes",
        writer: "datapath", reader: "swiftlet monitor", lifetime: "until it is read")
}
