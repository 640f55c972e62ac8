import BPFLoader
import CDatapath
import ServiceMaps
import ServiceModel
import Settings

/// The programs at tc for one kind of device, loaded onto the maps that the socket datapath has pinned, and the map of all
/// devices. Each kind costs the kernel a good part of a second to verify, so it is loaded for its first device.
///
/// A class because a loaded object cannot be copied, and the keeper of devices has several. What is attached works on
/// without it.
final class PacketDatapath {
    /// What tells the programs for one device from those for another.
    struct Kind: Hashable, Sendable {
        var leadsToPods: Bool
        /// Its packets are pods', although it is not one of those that lead to them: `--detect-local-mode` says so.
        var isInside: Bool
        var hasEthernetHeader: Bool

        private func program(_ way: String) -> String {
            (leadsToPods ? "swl_pod_" : "swl_wire_") + way + (hasEthernetHeader ? "" : "_l3")
        }

        fileprivate var arrival: String { program("in") }
        fileprivate var departure: String { program("out") }
    }

    /// What the programs are told at load.
    struct Settings {
        var build = DatapathBuild.own
        var pins: DatapathPins
        var capacities: MapCapacities
        /// Room that maps must have if they are made anew.
        var sizes: [String: Int] = [:]
        /// That of the socket datapath, which shares what both need.
        var config: datapath_config
        var packets: tc_config

        /// For one kind of device: whose packets are those of the cluster's pods.
        func telling(_ localTraffic: LocalTraffic, _ kind: Kind) -> Settings {
            var settings = self
            settings.packets = packets.telling(localTraffic, isInside: kind.isInside)
            return settings
        }
    }

    private let kind: Kind
    private let object: LoadedBPFObject
    private let devices: BPFMap
    private let node: NodeMaps

    init(_ kind: Kind, _ settings: Settings) throws(BPFError) {
        self.kind = kind
        let isTracked = settings.packets.has_ct_lookup == 1
        var object = try settings.build.object(isTracked ? .packets : .untrackedPackets)
        for program in object.programs where ![kind.arrival, kind.departure].contains(program.name) {
            try object.setAutoload(of: program.name, to: false)
        }
        try SocketDatapath.prepare(
            &object, pins: settings.pins, capacities: settings.capacities, atLeast: settings.sizes)
        try object.setInitialValue(of: ".rodata.config", to: settings.config)
        var packets = settings.packets
        packets.flows = try Self.flows(settings)
        try object.setInitialValue(of: ".rodata.tc", to: packets)
        self.object = try Self.load(object)
        devices = try BPFMap(pinnedAt: settings.pins.map(ServiceMap.devices.rawValue))
        node = try NodeMaps { map throws(BPFError) in try BPFMap(pinnedAt: settings.pins.map(map.rawValue)) }
    }

    /// To find a function of a module takes the right to list the types of modules (CAP_SYS_ADMIN).
    private static func load(_ object: consuming BPFObject) throws(BPFError) -> LoadedBPFObject {
        let reserved = ReservedCapabilities.takeUp()
        do throws(BPFError) {
            let loaded = try object.load()
            reserved.putBack()
            return loaded
        } catch {
            reserved.putBack()
            throw error
        }
    }

    /// How many flows of each family the maps have room for: those that are pinned keep their size.
    private static func flows(_ settings: Settings) throws(BPFError) -> UInt32 {
        var flows = settings.capacities.flows
        for map in [ServiceMap.flows4, .flows6] {
            if let pinned = try settings.pins.openIfPinned(map.rawValue) {
                flows = min(flows, UInt32(pinned.maxEntries))
            }
        }
        return flows
    }

    /// Attaches the programs to a device, in both directions.
    /// - Returns: what had to be done.
    func attach(
        to device: NetworkDevice, with attachments: DeviceAttachments
    ) throws(BPFError) -> [DeviceAttachments.Change] {
        let arrival = try object.program(named: kind.arrival)
        let departure = try object.program(named: kind.departure)
        // The way back before the way out: no reply is left untranslated.
        return [
            try attachments.attach(departure, to: device, .egress),
            try attachments.attach(arrival, to: device, .ingress),
        ]
    }

    /// Says which devices there are, and the node's addresses towards them; index 0 stands for all others.
    func write(_ entries: [UInt32: device]) throws(BPFError) {
        let before = try devices.entries(key: UInt32.self, value: device.self)
        for (index, value) in entries { try devices.update(index, to: value) }
        for entry in before where entries[entry.key] == nil { _ = try devices.delete(entry.key) }
    }
}

extension PacketDatapath {
    /// Says what the node's addresses and ports are, and what may not leave in clear.
    func write(_ entries: NodeMapEntries) throws(BPFError) { try node.write(entries) }
}

extension tc_config {
    /// The settings in force.
    init(_ settings: InstallSettings, _ features: KernelFeatures) {
        self.init()
        set(settings.packets.timeouts)
        redirect = settings.packets.forwarding == .redirect ? 1 : 0
        has_ct_lookup = features.has(.connectionTracking) ? 1 : 0
        external_cluster_ip = settings.packets.servesClusterIPsOutside ? 1 : 0
        masquerade_all = settings.masqueradesAll ? 1 : 0
        let services = settings.packets.serviceCIDRs
        copy(services.ranges(.v4).map(range4.init), into: &service4)
        copy(services.ranges(.v6).map(range6.init), into: &service6)
    }

    /// The same for devices of one kind: whose packets are those of the cluster's pods (spec 18).
    func telling(_ localTraffic: LocalTraffic, isInside: Bool) -> tc_config {
        var config = self
        config.from_pods = isInside ? 1 : 0
        copy(localTraffic.ranges.ranges(.v4).map(range4.init), into: &config.cluster4)
        copy(localTraffic.ranges.ranges(.v6).map(range6.init), into: &config.cluster6)
        return config
    }

    /// How many ranges of each kind and family there is room for.
    static let maxRanges = Int(LB_RANGES)
}

extension [CIDR] {
    /// Those of a family. A range of all addresses is none: it would end the list.
    fileprivate func ranges(_ family: IPFamily) -> [CIDR] { filter { $0.family == family && $0.prefixLength > 0 } }
}

/// As many ranges as there is room for, and zeros, which end the list: the settings refuse more, and a Node
/// object has one of each family.
private func copy<Range: BitwiseCopyable, Field: BitwiseCopyable>(_ ranges: [Range], into field: inout Field) {
    withUnsafeMutableBytes(of: &field) { room in
        room.initializeMemory(as: UInt8.self, repeating: 0)
        ranges.prefix(tc_config.maxRanges).withUnsafeBytes { room.copyMemory(from: $0) }
    }
}

extension range4 {
    fileprivate init(_ range: CIDR) {
        self.init()
        copy(range.network.bytes, into: &address)
        copy(netmask(bytes: 4, length: range.prefixLength), into: &mask)
    }
}

extension range6 {
    fileprivate init(_ range: CIDR) {
        self.init()
        copy(range.network.bytes, into: &address)
        copy(netmask(bytes: 16, length: range.prefixLength), into: &mask)
    }
}

private func netmask(bytes: Int, length: Int) -> [UInt8] {
    (0..<bytes).map { index in
        let bits = min(max(length - index * 8, 0), 8)
        return UInt8(truncatingIfNeeded: 0xff00 >> bits)
    }
}

/// Copies bytes into a C array, which Swift sees as a tuple.
func copy<Field: BitwiseCopyable>(_ bytes: [UInt8], into field: inout Field) {
    withUnsafeMutableBytes(of: &field) { $0.copyBytes(from: bytes) }
}
