import BPFLoader
import CDatapath
import Glibc
import NetworkLab
import ServiceMaps
import ServiceModel
import Synchronization
import SystemPackage
import TestKit
import Testing

/// A node's network namespace with a device towards the network and one towards a pod, and the programs of tc.bpf.o,
/// which are run over packets there. The maps are filled by the control plane's own writer.
///
/// ```
/// client 198.51.100.2 ── (router 192.0.2.254) ── eth0 192.0.2.1  node  pod0 ── 10.244.1.0/24
///                         another node 192.0.2.2: 10.244.2.0/24
/// ```
/// A class because the tests of a suite share it: to load the programs takes a second.
final class TranslationLab: Sendable {
    private let namespace: NetworkLab.NetworkNamespace
    private let beyond: NetworkLab.NetworkNamespace
    private let maps: [String: OpenMap]
    private let programs: [Hook: LoadedProgram]
    private let devices: [Device: UInt32]

    /// A class because a dictionary cannot hold noncopyable values.
    private final class LoadedProgram: Sendable {
        let program: BPFProgram
        init(_ program: consuming BPFProgram) { self.program = program }
    }

    /// A class for the same reason.
    private final class OpenMap: Sendable {
        let map: BPFMap
        init(_ map: consuming BPFMap) { self.map = map }
    }

    enum Device: String, CaseIterable {
        /// Towards the network.
        case eth0
        /// The node's end of a pod's link.
        case pod0
    }

    /// The programs, and what of one the next has when a packet goes through both.
    enum Programs: CaseIterable {
        /// Those that are installed. A test run loses what they note in a packet, as another tool might.
        case installed
        /// Those of noted.bpf.o, which call them: the control block has it.
        case noted

        fileprivate func name(_ hook: Hook) -> String {
            self == .installed ? hook.rawValue : "tst" + hook.rawValue.dropFirst(3)
        }

        fileprivate func object() throws -> BPFObject {
            switch self {
            case .installed:
                let bytes = swiftlet_tc_object()
                return try BPFObject(
                    name: "tc.bpf.o", bytes: UnsafeRawBufferPointer(start: bytes.start, count: bytes.size))
            case .noted: return try BPFObject(name: "noted.bpf.o", bytes: CompiledObject.bytes(of: "noted.bpf.o"))
            }
        }
    }

    init(_ kind: Programs = .installed, change: (inout tc_config) -> Void = { _ in }) throws {
        let node = try NetworkLab.NetworkNamespace("tc")
        let beyond = try NetworkLab.NetworkNamespace("beyond")
        try Self.wire(node, beyond)
        let object = try kind.object()
        var config = tc_config.ofTests
        change(&config)
        try object.setInitialValue(of: ".rodata.tc", to: config)
        try object.setInitialValue(of: ".rodata.config", to: datapath_config.ofTests)
        let loaded = try object.load()
        var programs: [Hook: LoadedProgram] = [:]
        for hook in kind == .installed ? Hook.allCases : Hook.framed {
            programs[hook] = LoadedProgram(try loaded.program(named: kind.name(hook)))
        }
        self.programs = programs
        var maps: [String: OpenMap] = [:]
        for name in loaded.mapNames where !name.hasPrefix(".") { maps[name] = OpenMap(try loaded.map(named: name)) }
        self.maps = maps
        devices = try node.run {
            Dictionary(uniqueKeysWithValues: Device.allCases.map { ($0, if_nametoindex($0.rawValue)) })
        }
        namespace = node
        self.beyond = beyond
        try map("masq_ports").update(UInt32(0), to: masq_ports.ofTests)
        try enterWireDevice()
    }

    private static func wire(
        _ node: borrowing NetworkLab.NetworkNamespace, _ beyond: borrowing NetworkLab.NetworkNamespace
    ) throws {
        try node.connect("eth0", to: beyond, "far")
        try node.connect("pod0", to: beyond, "pod")
        try node.set("ipv4/ip_forward", to: "1")
        try node.set("ipv6/conf/all/forwarding", to: "1")
        try node.ip(lines: [
            // A frame for another host is nobody's.
            "link set eth0 address 02:00:00:00:00:01", "link set pod0 address 02:00:00:00:00:01",
            "address add 192.0.2.1/24 dev eth0", "address add 2001:db8::1/64 dev eth0 nodad",
            "route add default via 192.0.2.254", "route add default via 2001:db8::fe",
            "route add 10.244.2.0/24 via 192.0.2.2", "route add fd00:10:244:2::/64 via 2001:db8::2",
            "address add 10.244.1.1/24 dev pod0", "address add fd00:10:244:1::1/64 dev pod0 nodad",
        ])
    }

    private func enterWireDevice() throws {
        try enter(devices[.eth0] ?? 0, Family.v4.node, Family.v6.node)
        try enter(UInt32(LB_ANY_DEVICE), Family.v4.node, Family.v6.node)
    }

    /// Says that programs of ours are on the pod's device too.
    func enterPodDevice() throws { try enter(devices[.pod0] ?? 0, Family.v4.podGateway, Family.v6.podGateway) }

    private func enter(_ index: UInt32, _ v4: SocketAddress, _ v6: SocketAddress) throws {
        var device = device()
        fill(&device.address4, v4.address)
        fill(&device.address6, v6.address)
        device.mtu = 1_500
        try map("devices").update(index, to: device)
    }

    /// The number of a device in the node's namespace.
    func index(of device: Device) -> UInt32? { devices[device] }

    /// A handle of its own on a map.
    func map(_ name: String) throws(BPFError) -> BPFMap {
        guard let open = maps[name] else {
            throw BPFError(.find, "map \(name) in tc.bpf.o", .noSuchFileOrDirectory)
        }
        return try BPFMap(id: open.map.id)
    }

    // MARK: Services

    /// Forgets all flows and serves these Services, and no others, from now on.
    func serve(_ services: [TestService]) throws {
        for map in ["flows4", "flows6", "fragments", "affinity", "outgoing", "answer_limits"] { try clear(map) }
        try replace(services)
    }

    /// Serves these Services, and no others, from now on; flows that are there live on.
    func replace(_ services: [TestService]) throws {
        let store = try BPFMapStore { map throws(BPFError) in try self.map(map.rawValue) }
        let capacities = MapCapacities(
            services: 1_024, slots: 1_024, backends: 1_024, sourceRanges: 1_024, affinity: 1_024, flows: 1_024,
            possibleCPUs: 2)
        var writer = try ServiceMapWriter(store: store, grace: RCUGracePeriod(), capacities: capacities)
        let report = writer.apply(upserts: services.map(\.compiled), prune: true)
        #expect(report.failures.isEmpty, "\(report.failures)")
        _ = try writer.reclaim()
    }

    private func clear(_ name: String) throws {
        let map = try map(name)
        switch name {
        case "flows4":
            for number in 0..<UInt32(map.maxEntries) { try map.update(number, to: flow4()) }
            let tuples = try self.map("tuples4")
            try tuples.deleteBatch(keys: tuples.entries(key: tuple4.self, value: UInt32.self).map(\.key)).check()
        case "flows6":
            for number in 0..<UInt32(map.maxEntries) { try map.update(number, to: flow6()) }
            let tuples = try self.map("tuples6")
            try tuples.deleteBatch(keys: tuples.entries(key: tuple6.self, value: UInt32.self).map(\.key)).check()
        case "outgoing":
            let keys = try map.entries(key: outgoing_key.self, value: UInt64.self).map(\.key)
            try map.deleteBatch(keys: keys).check()
        case "answer_limits":
            let keys = try map.entries(key: vip6_key.self, value: answer_limit.self).map(\.key)
            try map.deleteBatch(keys: keys).check()
        case "fragments":
            let keys = try map.entries(key: fragment_key.self, value: fragment_ports.self).map(\.key)
            try map.deleteBatch(keys: keys).check()
        default:
            let keys = try map.entries(key: affinity_key.self, value: CDatapath.affinity.self).map(\.key)
            try map.deleteBatch(keys: keys).check()
        }
    }

    /// Lets two seconds pass for the limit of the ICMP errors that a client gets.
    func age(answersTo client: SocketAddress) throws {
        let limits = try map("answer_limits")
        var key = vip6_key()
        let mapped: [UInt8] = client.isV4 ? [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] : []
        fill(&key.address, mapped + client.address)
        guard var limit = try limits.lookup(key, as: answer_limit.self) else {
            throw PacketError("\(client) has no limit")
        }
        limit.last -= 2_000_000_000
        try limits.update(key, to: limit)
    }

    /// How often a reason was counted, on all CPUs together.
    func count(of reason: counter) throws -> UInt64 {
        try map("counters").lookupPerCPU(reason.rawValue, as: UInt64.self)?.reduce(0, +) ?? 0
    }

    /// The living flows of a family, as `source:port` of what the kernel and the backend see.
    func flows(_ family: Family) throws -> [flow_state] {
        switch family {
        case .v4: try map("flows4").values(in: 0..<1_024, as: flow4.self).map(\.state).filter { $0 != FLOW_FREE }
        case .v6: try map("flows6").values(in: 0..<1_024, as: flow6.self).map(\.state).filter { $0 != FLOW_FREE }
        }
    }

    /// Lets time pass for the flows of a family.
    func ageFlows(_ family: Family, seconds: UInt64) throws {
        let nanoseconds = seconds * 1_000_000_000
        func before(_ time: UInt64) -> UInt64 { time > nanoseconds ? time - nanoseconds : 1 }
        switch family {
        case .v4:
            let map = try map("flows4")
            for (number, var flow) in try map.values(in: 0..<1_024, as: flow4.self).enumerated()
            where flow.state != FLOW_FREE {
                flow.last_seen = before(flow.last_seen)
                try map.update(UInt32(number), to: flow)
            }
        case .v6:
            let map = try map("flows6")
            for (number, var flow) in try map.values(in: 0..<1_024, as: flow6.self).enumerated()
            where flow.state != FLOW_FREE {
                flow.last_seen = before(flow.last_seen)
                try map.update(UInt32(number), to: flow)
            }
        }
    }

    /// How many tuples the flows of a family own.
    func tuples(_ family: Family) throws -> Int {
        switch family {
        case .v4: try map("tuples4").entries(key: tuple4.self, value: UInt32.self).count
        case .v6: try map("tuples6").entries(key: tuple6.self, value: UInt32.self).count
        }
    }

    // MARK: Packets

    /// Runs a program over bytes, in the node's namespace.
    func run(_ bytes: [UInt8], _ hook: Hook, arrival: Device? = nil, mark: UInt32 = 0) throws -> Verdict {
        try inside { runner in try runner.run(bytes, hook, arrival: arrival, mark: mark) }
    }

    func run(_ packet: Packet, _ hook: Hook, arrival: Device? = nil, mark: UInt32 = 0) throws -> Verdict {
        try run(packet.bytes, hook, arrival: arrival, mark: mark)
    }

    /// Runs a program where a packet departs that another one has seen where it arrived.
    func run(_ before: Verdict, _ hook: Hook, arrival: Device) throws -> Verdict {
        try inside { runner in try runner.run(before.bytes, hook, arrival: arrival, note: before.note) }
    }

    /// The node has no way for what has this mark.
    func refuse(mark: UInt32, _ family: Family) throws {
        let option = family == .v4 ? "-4" : "-6"
        try namespace.ip(option, "rule", "add", "fwmark", "\(mark)", "lookup", "77")
        try namespace.ip(option, "route", "add", "blackhole", "default", "table", "77")
    }

    /// Runs a closure that runs many packets.
    func inside<Value>(_ body: (borrowing Runner) throws -> Value) throws -> Value {
        try namespace.run { try body(Runner(lab: self)) }
    }

    /// What runs packets on the thread that is in the namespace.
    struct Runner: ~Copyable {
        fileprivate let lab: TranslationLab

        func run(
            _ bytes: [UInt8], _ hook: Hook, arrival: Device? = nil, mark: UInt32 = 0,
            note: PacketControlBlock = (0, 0, 0, 0, 0)
        ) throws -> Verdict {
            guard let loaded = lab.programs[hook] else { throw PacketError("no program \(hook)") }
            let run = try loaded.program.run(
                packet: bytes, device: lab.devices[hook.device] ?? 0,
                arrival: arrival.flatMap { lab.devices[$0] } ?? 0, mark: mark, controlBlock: note)
            return Verdict(
                action: Action(rawValue: Int32(bitPattern: run.result)), bytes: run.packet, note: run.controlBlock)
        }
    }
}

/// A program and where it sees packets.
enum Hook: String, CaseIterable, Sendable {
    case wireIn = "swl_wire_in"
    case wireOut = "swl_wire_out"
    case podIn = "swl_pod_in"
    case podOut = "swl_pod_out"
    case wireInBare = "swl_wire_in_l3"
    case wireOutBare = "swl_wire_out_l3"
    case podInBare = "swl_pod_in_l3"
    case podOutBare = "swl_pod_out_l3"

    var device: TranslationLab.Device {
        switch self {
        case .wireIn, .wireOut, .wireInBare, .wireOutBare: .eth0
        case .podIn, .podOut, .podInBare, .podOutBare: .pod0
        }
    }

    static let framed: [Hook] = [.wireIn, .wireOut, .podIn, .podOut]
}

enum Action: Int32, Sendable {
    case passOn = -1
    case ok = 0
    case drop = 2
    case redirect = 7
}

/// What a program did to a packet.
struct Verdict {
    var action: Action?
    var bytes: [UInt8]
    /// What the program noted for the next one; nothing but with `Programs.noted`.
    var note: PacketControlBlock = (0, 0, 0, 0, 0)

    var packet: Packet {
        get throws(PacketError) { try Packet(bytes) }
    }
}

extension masq_ports {
    /// Those beside the kernel's usual `ip_local_port_range` and the usual NodePorts.
    static var ofTests: masq_ports { masq_ports([1_024...29_999, 61_000...65_535]) }
}

extension datapath_config {
    /// The settings that sockets' programs share, on this kernel.
    static var ofTests: datapath_config {
        var config = datapath_config()
        config.setTicks(try? TickClock.measure())
        return config
    }
}

extension tc_config {
    /// The settings of a node in a cluster whose ranges are known.
    static var ofTests: tc_config {
        var config = tc_config()
        (config.tcp_seconds, config.tcp_new_seconds) = (8_000, 60)
        (config.tcp_close_wait_seconds, config.tcp_closing_seconds, config.tcp_reset_seconds) = (3_600, 120, 10)
        (config.udp_seconds, config.udp_stream_seconds, config.other_seconds) = (30, 120, 60)
        config.flows = 1_024
        config.has_ct_lookup = KernelFunction.exists("bpf_skb_ct_lookup") ? 1 : 0
        config.external_cluster_ip = 1
        fill(&config.cluster4.0.address, [10, 244, 0, 0])
        fill(&config.cluster4.0.mask, [255, 255, 0, 0])
        fill(&config.service4.0.address, [10, 96, 0, 0])
        fill(&config.service4.0.mask, [255, 255, 0, 0])
        fill(&config.cluster6.0.address, [0xfd, 0, 0, 0x10, 2, 0x44])
        fill(&config.cluster6.0.mask, [255, 255, 255, 255, 255, 255])
        fill(&config.service6.0.address, [0xfd, 0, 0, 0x10, 0, 0x96])
        fill(&config.service6.0.mask, [UInt8](repeating: 255, count: 14))
        return config
    }
}

/// Writes bytes into a C array, which Swift sees as a tuple.
func fill<Field: BitwiseCopyable>(_ field: inout Field, _ bytes: [UInt8]) {
    withUnsafeMutableBytes(of: &field) { $0.copyBytes(from: bytes) }
}

/// One lab for all tests of a suite.
struct TranslationTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing tests: @Sendable () async throws -> Void
    ) async throws {
        let lab = try TranslationLab()
        try await TranslationLab.$scoped.withValue(lab) { try await tests() }
    }
}

extension Trait where Self == TranslationTrait {
    /// Makes a lab before the suite's first test.
    static var translation: Self { TranslationTrait() }
}

extension TranslationLab {
    @TaskLocal fileprivate static var scoped: TranslationLab?

    /// The lab of the suite that the calling test belongs to.
    static var current: TranslationLab {
        get throws {
            guard let scoped else { throw PacketError("the suite has no .translation trait") }
            return scoped
        }
    }
}
