internal import CDatapath

/// What a map is for, in the words of `swiftlet maps list` and of the documentation.
public struct MapDescription: Sendable, Hashable {
    public var map: ServiceMap
    /// The kind of map, as bpftool names it.
    public var type: String
    /// The C types of the map ABI.
    public var key: String
    public var value: String
    public var keySize: Int
    public var valueSize: Int
    public var purpose: String
    /// What the numbers in it mean.
    public var units: String
    public var writer: String
    public var reader: String
    public var lifetime: String
}

/// All maps of the datapath.
public enum MapCatalog {
    public static let all: [MapDescription] = ServiceMap.allCases.map { description(of: $0) }

    public static func description(of map: ServiceMap) -> MapDescription {
        let (type, key, value) = types(map)
        let (purpose, units) = meaning(map)
        let (writer, reader, lifetime) = people(map)
        return MapDescription(
            map: map, type: type, key: key.name, value: value.name, keySize: key.size, valueSize: value.size,
            purpose: purpose, units: units, writer: writer, reader: reader, lifetime: lifetime)
    }

    private typealias Layout = (name: String, size: Int)

    private static func layout<Struct>(_: Struct.Type) -> Layout {
        ("struct \(Struct.self)", MemoryLayout<Struct>.size)
    }

    private static func types(_ map: ServiceMap) -> (type: String, key: Layout, value: Layout) {
        let number: Layout = ("__u32", 4)
        let socket: Layout = ("int", 4)
        return switch map {
        case .services4: ("hash", layout(service4_key.self), layout(service.self))
        case .services6: ("hash", layout(service6_key.self), layout(service.self))
        case .slots4: ("array", number, layout(slot4.self))
        case .slots6: ("array", number, layout(slot6.self))
        case .backends4: ("hash", number, layout(backend4.self))
        case .backends6: ("hash", number, layout(backend6.self))
        case .sourceRanges4: ("lpm_trie", layout(source_range4_key.self), layout(source_range.self))
        case .sourceRanges6: ("lpm_trie", layout(source_range6_key.self), layout(source_range.self))
        case .vips4: ("hash", layout(vip4_key.self), layout(vip.self))
        case .vips6: ("hash", layout(vip6_key.self), layout(vip.self))
        case .vipFilter: ("array", number, ("__u64", 8))
        case .nodePorts: ("hash", layout(node_port_key.self), layout(node_port.self))
        case .frontends: ("hash", number, layout(frontend.self))
        case .affinity: ("lru_hash", layout(affinity_key.self), layout(CDatapath.affinity.self))
        case .socketOrigin: ("array", number, layout(origin.self))
        case .socketSpill: ("sk_storage", socket, layout(origin.self))
        case .socketFlows: ("sk_storage", socket, layout(flows.self))
        case .socketVIPs: ("lru_hash", layout(sock_vip_key.self), layout(sock_vip.self))
        case .conntrack4: ("lru_hash", layout(flow4_key.self), layout(flow4.self))
        case .conntrack6: ("lru_hash", layout(flow6_key.self), layout(flow6.self))
        case .flowFilter: ("array", number, layout(flow_filter.self))
        case .fragments: ("lru_hash", layout(fragment_key.self), layout(fragment_ports.self))
        case .devices: ("hash", number, layout(device.self))
        case .counters: ("percpu_array", number, ("__u64", 8))
        case .serviceCounters: ("percpu_array", number, layout(service_counter.self))
        case .backendCounters: ("percpu_hash", number, layout(backend_counter.self))
        }
    }

    private static func meaning(_ map: ServiceMap) -> (purpose: String, units: String) {
        switch map {
        case .services4, .services6:
            (
                "frontends: address, port, protocol and scope to the run of slots with their backends",
                "affinity_seconds in seconds, 0 without affinity; first_slot and count in slots"
            )
        case .slots4, .slots6: ("runs of backends, one for each set of a service port", "the key is the slot's number")
        case .backends4, .backends6: ("backend id to one endpoint of one service port", "flags are 0 or 1")
        case .sourceRanges4, .sourceRanges6:
            (
                "service port and range of addresses to whether its clients may come from there",
                "prefix_length is \(LB_RANGE_PREFIX) more than the range's, for the service id"
            )
        case .vips4, .vips6:
            ("addresses with a ClusterIP, which refuse a port that no frontend serves", "frontends at this address")
        case .vipFilter:
            (
                "addresses and NodePorts that may be frontends, so that others cost no look-up",
                "two bits for addresses with all but the last byte equal, then one for each port"
            )
        case .nodePorts: ("NodePorts that no other listener may take", "the service id of one who serves it")
        case .frontends: ("service id to the names that people use", "family is 4 or 6")
        case .affinity: ("client and service port to the backend that serves it", "last_use in ns of CLOCK_MONOTONIC")
        case .socketOrigin:
            ("connected socket to what its program asked for, the way back", "the key is its cookie modulo the size")
        case .socketSpill:
            ("the same for sockets whose place in sock_origin is taken", "vip and address of IPv4 as ::ffff:a.b.c.d")
        case .socketFlows: ("unconnected UDP socket to the VIPs that it talks to", "its first \(LB_FLOWS) VIPs")
        case .socketVIPs: ("the same for further VIPs of such a socket", "an entry for the VIP, one for its backend")
        case .conntrack4, .conntrack6:
            (
                "flows translated at tc: a packet's tuple as it comes to the one that it is given",
                "two entries a flow; last_seen in ns of CLOCK_MONOTONIC"
            )
        case .flowFilter: ("senders that may be backends with flows, so that others cost no look-up", "a byte for each")
        case .fragments: ("IP packets that come in pieces to the ports of the first", "the key has the packet's id")
        case .devices:
            ("devices with our programs to the node's address towards them", "the key is the interface's index")
        case .counters: ("how often each verdict was given", "the key is enum counter; events")
        case .serviceCounters: ("how often each service port was used", "the key is the service id; events")
        case .backendCounters:
            ("how often each backend was chosen, with --metrics-per-backend", "the key is the backend's id; events")
        }
    }

    private static func people(_ map: ServiceMap) -> (writer: String, reader: String, lifetime: String) {
        let (control, datapath) = ("control plane", "datapath")
        return switch map {
        case .frontends: (control, "people, control plane at start", "as long as the service port has an entry")
        case .slots4, .slots6: (control, datapath, "until a grace period after the last frontend has left the run")
        case .backends4, .backends6: (control, datapath, "until a grace period after the last run has left it")
        case .sourceRanges4, .sourceRanges6:
            (control, datapath, "until a grace period after no frontend asks for it any more")
        case .services4, .services6, .vips4, .vips6, .nodePorts: (control, datapath, "as long as the Service")
        case .vipFilter: (control, datapath, "as long as the map: bits are never cleared")
        case .affinity: (datapath, datapath, "until its time-out, or until newer clients need the room")
        case .socketOrigin, .socketSpill, .socketFlows: (datapath, datapath, "the socket's")
        case .socketVIPs: (datapath, datapath, "until newer VIPs of sockets need the room")
        case .conntrack4, .conntrack6: (datapath, datapath, "until newer flows need the room, or its tuple")
        case .flowFilter: (datapath, datapath, "as long as the map: bytes are never cleared")
        case .fragments: (datapath, datapath, "until newer packets need the room")
        case .devices: (control, datapath, "as long as our programs are on the device")
        case .counters: (datapath, "people", "as long as the map")
        case .serviceCounters: (datapath, "people", "zero when a service port gets the id")
        case .backendCounters: (datapath, "people", "as long as the backend")
        }
    }
}
