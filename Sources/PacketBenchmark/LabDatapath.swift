package import BPFLoader
import CDatapath
import NetworkLab
package import ServiceMaps
package import ServiceModel
import SystemPackage

/// The programs at tc, with maps that the control plane's own writer fills: the datapath as a whole, without the daemon.
///
/// A class because the code that attaches its programs and the code that fills its maps share it.
package final class LabDatapath: Sendable {
    private let programs: [String: LoadedProgram]
    private let maps: [String: OpenMap]
    private let capacities: MapCapacities

    /// Classes because collections cannot hold noncopyable values.
    private final class LoadedProgram: Sendable {
        let program: BPFProgram
        init(_ program: consuming BPFProgram) { self.program = program }
    }

    private final class OpenMap: Sendable {
        let map: BPFMap
        init(_ map: consuming BPFMap) { self.map = map }
    }

    /// A program on a device; it is detached when this is dropped.
    package final class Attachment: Sendable {
        private let link: TCXLink
        fileprivate init(_ link: consuming TCXLink) { self.link = link }
    }

    /// Loads the programs that are installed.
    package convenience init(capacities: MapCapacities, redirects: Bool = false) throws(BPFError) {
        let bytes = swiftlet_tc_object()
        let object = try BPFObject(
            name: "tc.bpf.o", bytes: UnsafeRawBufferPointer(start: bytes.start, count: bytes.size))
        try self.init(object, capacities: capacities, redirects: redirects)
    }

    /// Loads an object that has these programs or calls them.
    package init(
        _ object: consuming BPFObject, capacities: MapCapacities, redirects: Bool = false
    ) throws(BPFError) {
        let names = object.mapNames
        for map in ServiceMap.allCases where names.contains(map.rawValue) {
            if let entries = capacities[map] { try object.setMaxEntries(of: map.rawValue, to: Int(entries)) }
        }
        var config = tc_config.ofLabs
        config.has_ct_lookup = KernelFunction.exists("bpf_skb_ct_lookup") ? 1 : 0
        config.flows = capacities.flows
        config.redirect = redirects ? 1 : 0
        try object.setInitialValue(of: ".rodata.tc", to: config)
        var shared = datapath_config()
        shared.setTicks(try? TickClock.measure())
        try object.setInitialValue(of: ".rodata.config", to: shared)
        let loaded = try object.load()
        var programs: [String: LoadedProgram] = [:]
        for program in loaded.programs {
            programs[program.name] = LoadedProgram(try loaded.program(named: program.name))
        }
        var maps: [String: OpenMap] = [:]
        for name in loaded.mapNames where !name.hasPrefix(".") { maps[name] = OpenMap(try loaded.map(named: name)) }
        self.programs = programs
        self.maps = maps
        self.capacities = capacities
        try map("masq_ports").update(UInt32(0), to: masq_ports.usual)
    }

    /// A handle of its own on a map.
    package func map(_ name: String) throws(BPFError) -> BPFMap {
        guard let open = maps[name] else { throw BPFError(.find, "map \(name)", .noSuchFileOrDirectory) }
        return try BPFMap(id: open.map.id)
    }

    /// A handle of its own on a program.
    package func program(_ name: String) throws(BPFError) -> BPFProgram {
        guard let loaded = programs[name] else { throw BPFError(.find, "program \(name)", .noSuchFileOrDirectory) }
        return try BPFProgram(id: loaded.program.id)
    }

    // MARK: Devices, of the calling thread's network namespace

    /// What the programs are to do at a device.
    package enum Side: String, Sendable {
        /// It leads to the network.
        case wire = "swl_wire"
        /// It is the node's end of a pod's link.
        case pod = "swl_pod"
    }

    /// Attaches the programs for arrival and departure.
    package func attach(_ side: Side, to device: String) throws(BPFError) -> [Attachment] {
        try Self.attach(program("\(side.rawValue)_in"), program("\(side.rawValue)_out"), to: device)
    }

    /// Attaches a program that does nothing, for arrival and for departure.
    static func attachNothing(to device: String) throws(BPFError) -> [Attachment] {
        let bytes = swiftlet_empty_object()
        let object = try BPFObject(
            name: "empty.bpf.o", bytes: UnsafeRawBufferPointer(start: bytes.start, count: bytes.size))
        let program = try object.load().program(named: "swl_empty_tc")
        return try attach(program, program, to: device)
    }

    private static func attach(
        _ arrival: borrowing BPFProgram, _ departure: borrowing BPFProgram, to device: String
    ) throws(BPFError) -> [Attachment] {
        let device = try NetworkDevice(named: device)
        return [
            Attachment(try TCXLink.attach(arrival, to: device, .ingress)),
            Attachment(try TCXLink.attach(departure, to: device, .egress)),
        ]
    }

    /// Says which addresses the node has towards a device, or towards any other without a name.
    package func enter(_ name: String?, v4: [UInt8], v6: [UInt8]) throws(BPFError) {
        let index = if let name { try NetworkDevice(named: name).index } else { UInt32(LB_ANY_DEVICE) }
        var value = device()
        fill(&value.address4, v4)
        fill(&value.address6, v6)
        value.mtu = 1_500
        try map("devices").update(index, to: value)
    }

    // MARK: Services

    /// Serves these Services, and no others.
    package func serve(_ services: [DesiredService]) throws {
        let store = try BPFMapStore { name throws(BPFError) in try map(name.rawValue) }
        var writer = try ServiceMapWriter(store: store, grace: RCUGracePeriod(), capacities: capacities)
        let report = writer.apply(upserts: services, prune: true)
        if let failure = report.failures.first { throw PacketBenchmarkError("not programmed: \(failure)") }
        _ = try writer.reclaim()
    }

    /// Ends all flows of a family.
    package func forgetFlows(_ family: IPFamily) throws {
        switch family {
        case .v4: try forget(flows: "flows4", as: flow4(), tuples: "tuples4", keys: tuple4.self)
        case .v6: try forget(flows: "flows6", as: flow6(), tuples: "tuples6", keys: tuple6.self)
        }
    }

    private func forget<Flow: BitwiseCopyable, Tuple: BitwiseCopyable>(
        flows: String, as free: Flow, tuples: String, keys: Tuple.Type
    ) throws {
        let records = try map(flows)
        let owners = try map(tuples)
        try owners.deleteBatch(keys: owners.entries(key: keys, value: UInt32.self).map(\.key)).check()
        let numbers = Array(0..<UInt32(records.maxEntries))
        try records.updateBatch(keys: numbers, values: numbers.map { _ in free }).check()
    }

    /// How often each reason was counted that was counted at all, on all CPUs together.
    package func counters() throws -> [String: UInt64] {
        let map = try map("counters")
        var counters: [String: UInt64] = [:]
        for number in 0..<COUNT_MAX.rawValue {
            let count = try map.lookupPerCPU(number, as: UInt64.self)?.reduce(0, +) ?? 0
            if count > 0, let name = lb_counter_name(number) { counters[String(cString: name).lowercased()] = count }
        }
        return counters
    }
}

extension tc_config {
    /// The settings of a node in a cluster whose ranges are known.
    fileprivate static var ofLabs: tc_config {
        var config = tc_config()
        (config.tcp_seconds, config.tcp_new_seconds) = (8_000, 60)
        (config.tcp_close_wait_seconds, config.tcp_closing_seconds, config.tcp_reset_seconds) = (3_600, 120, 10)
        (config.udp_seconds, config.udp_stream_seconds, config.other_seconds) = (30, 120, 60)
        config.external_cluster_ip = 1
        fill(&config.cluster4.0.address, [10, 244])
        fill(&config.cluster4.0.mask, [255, 255])
        fill(&config.cluster6.0.address, [0xfd, 0, 0, 0x10, 2, 0x44])
        fill(&config.cluster6.0.mask, [255, 255, 255, 255, 255, 255])
        return config
    }
}

extension masq_ports {
    /// Those beside the kernel's usual `ip_local_port_range` and the NodePorts of benchmarks and tests.
    static var usual: masq_ports { masq_ports([1_024...19_999, 61_000...65_535]) }
}

/// Writes bytes into a C array, which Swift sees as a tuple.
func fill<Field: BitwiseCopyable>(_ field: inout Field, _ bytes: [UInt8]) {
    withUnsafeMutableBytes(of: &field) { $0.copyBytes(from: bytes) }
}
