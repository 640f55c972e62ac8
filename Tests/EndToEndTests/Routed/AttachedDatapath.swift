import BPFLoader
import CDatapath
import Glibc
import ManifestDirectory
import NetworkLab
import ServiceMaps
import ServiceModel

/// The programs at tc on the devices of a node, with maps that the control plane's own parts filled from manifests:
/// the datapath as a whole, without the daemon.
///
/// A class only because an optional of a noncopyable value cannot be a stored constant of one. What it attached goes
/// with it.
final class AttachedDatapath: Sendable {
    private let links: [Attachment]
    private let maps: [String: OpenMap]

    /// Classes because collections cannot hold noncopyable values.
    private final class Attachment: Sendable {
        let link: TCXLink
        init(_ link: consuming TCXLink) { self.link = link }
    }

    private final class OpenMap: Sendable {
        let map: BPFMap
        init(_ map: consuming BPFMap) { self.map = map }
    }

    /// Attaches to eth0 as the way to the network, and to each pod's device.
    init(to topology: borrowing RoutedTopology, manifests: String) throws {
        let bytes = swiftlet_tc_object()
        var object = try BPFObject(
            name: "tc.bpf.o", bytes: UnsafeRawBufferPointer(start: bytes.start, count: bytes.size))
        try Self.configure(&object)
        let loaded = try object.load()
        var maps: [String: OpenMap] = [:]
        for name in loaded.mapNames where !name.hasPrefix(".") { maps[name] = OpenMap(try loaded.map(named: name)) }
        self.maps = maps
        let pods = topology.pods.map(\.name)
        links = try topology.node.run {
            try Self.enter("eth0", in: maps["devices"])
            var links = [
                try Self.attach(loaded, "swl_wire_in", to: "eth0", .ingress),
                try Self.attach(loaded, "swl_wire_out", to: "eth0", .egress),
            ]
            for pod in pods {
                links.append(try Self.attach(loaded, "swl_pod_in", to: pod, .ingress))
                links.append(try Self.attach(loaded, "swl_pod_out", to: pod, .egress))
            }
            return links
        }
        try program(manifests)
    }

    private static func configure(_ object: inout BPFObject) throws {
        for map in ["conntrack4", "conntrack6"] { try object.setMaxEntries(of: map, to: 65_536) }
        var config = tc_config()
        (config.tcp_seconds, config.tcp_new_seconds) = (8_000, 60)
        (config.tcp_close_wait_seconds, config.tcp_closing_seconds) = (3_600, 10)
        (config.udp_seconds, config.udp_stream_seconds, config.other_seconds) = (60, 60, 60)
        config.external_cluster_ip = 1
        fill(&config.cluster4.0.address, [10, 244])
        fill(&config.cluster4.0.mask, [255, 255])
        fill(&config.cluster6.0.address, [0xfd, 0, 0, 0x10, 2, 0x44])
        fill(&config.cluster6.0.mask, [255, 255, 255, 255, 255, 255])
        try object.setInitialValue(of: ".rodata.tc", to: config)
    }

    /// Says which address the node has towards the device, and towards any other.
    private static func enter(_ name: String, in devices: OpenMap?) throws {
        var value = device()
        fill(&value.address4, try IPVersion.v4.address(RoutedTopology.node4, 0).address)
        fill(&value.address6, try IPVersion.v6.address(RoutedTopology.node6, 0).address)
        value.mtu = 1_500
        try devices?.map.update(try NetworkDevice(named: name).index, to: value)
        try devices?.map.update(UInt32(LB_ANY_DEVICE), to: value)
    }

    private static func attach(
        _ object: borrowing LoadedBPFObject, _ program: String, to device: String, _ direction: TrafficDirection
    ) throws -> Attachment {
        let program = try object.program(named: program)
        return Attachment(try TCXLink.attach(program, to: NetworkDevice(named: device), direction))
    }

    /// Manifests to map entries, by the parts that the daemon is made of.
    private func program(_ manifests: String) throws {
        let (events, problems) = ManifestLoader.load(text: manifests)
        guard problems.isEmpty else { throw TestFailure("the manifests are wrong: \(problems)") }
        var state = ClusterState(ownNode: Manifest.nodeName)
        let dirty = state.apply(events)
        let node = NodeConfiguration(
            NodeSettings(name: Manifest.nodeName), node: state.node(named: Manifest.nodeName), localAddresses: [])
        var compiler = Compiler()
        let changes = compiler.update(dirty: dirty, state: state, node: node)
        let store = try BPFMapStore { map throws(BPFError) in
            guard let open = maps[map.rawValue] else { preconditionFailure("tc.bpf.o has no \(map)") }
            return try BPFMap(id: open.map.id)
        }
        let capacities = MapCapacities(
            services: 1_024, slots: 1_024, backends: 1_024, sourceRanges: 1_024, affinity: 1_024, flows: 65_536,
            possibleCPUs: 2)
        var writer = try ServiceMapWriter(store: store, grace: RCUGracePeriod(), capacities: capacities)
        let report = writer.apply(upserts: changes.upserts, prune: true)
        guard report.failures.isEmpty else { throw TestFailure("not programmed: \(report.failures)") }
    }

    /// How often each reason was counted that was counted at all, on all CPUs together.
    func counters() throws -> [String: UInt64] {
        guard let open = maps["counters"] else { throw TestFailure("no counters") }
        var counters: [String: UInt64] = [:]
        for number in 0..<COUNT_MAX.rawValue {
            let count = try open.map.lookupPerCPU(number, as: UInt64.self)?.reduce(0, +) ?? 0
            if count > 0, let name = lb_counter_name(number) { counters[String(cString: name).lowercased()] = count }
        }
        return counters
    }
}

/// Writes bytes into a C array, which Swift sees as a tuple.
private func fill<Field: BitwiseCopyable>(_ field: inout Field, _ bytes: [UInt8]) {
    withUnsafeMutableBytes(of: &field) { $0.copyBytes(from: bytes) }
}
