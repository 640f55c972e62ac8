import BPFLoader
import CDatapath
import CSelect
import Glibc
import NetworkLab
import TestKit

/// A node with one Service and one endpoint on another node, and room for the flows of a crowd.
/// A class because a struct that owns others cannot throw once it has them.
final class CrowdLab {
    private let namespace: NetworkLab.NetworkNamespace
    private let beyond: NetworkLab.NetworkNamespace
    private let object: LoadedBPFObject

    static let flows = 1 << 17
    static let vip: SocketAddress = "203.0.113.15:80"
    static let endpoint: SocketAddress = "10.244.2.11:8080"

    init() throws {
        let node = try NetworkLab.NetworkNamespace("crowd")
        let beyond = try NetworkLab.NetworkNamespace("beyond")
        try node.connect("eth0", to: beyond, "far")
        try node.set("ipv4/ip_forward", to: "1")
        try node.ip(lines: [
            "link set eth0 address 02:00:00:00:00:01", "address add 192.0.2.1/24 dev eth0",
            "route add default via 192.0.2.254",
        ])
        let object = try BPFObject(name: "packets.bpf.o", bytes: CompiledObject.bytes(of: "packets.bpf.o"))
        var config = tc_config.ofTests
        config.flows = UInt32(Self.flows)
        config.redirect = 1
        try object.setInitialValue(of: ".rodata.tc", to: config)
        try object.setInitialValue(of: ".rodata.config", to: datapath_config.ofTests)
        try object.setMaxEntries(of: "flows4", to: Self.flows)
        try object.setMaxEntries(of: "tuples4", to: 3 * Self.flows)
        namespace = node
        self.beyond = beyond
        self.object = try object.load()
        try fillMaps()
    }

    private func fillMaps() throws {
        var key = service4_key()
        fill(&key.address, Self.vip.address)
        (key.port, key.protocol) = (Self.vip.port, TCP)
        var entry = service()
        (entry.service_id, entry.count, entry.action, entry.policy) = (1, 1, BALANCE, CLUSTER)
        entry.kind = LOAD_BALANCER
        entry.seal = lb_seal(Self.vip.address, 4, Self.vip.port, TCP.rawValue, FROM_NODE.rawValue)
        try map("services4").update(key, to: entry)
        var slot = slot4()
        (slot.service_id, slot.backend_id, slot.port) = (1, 1, Self.endpoint.port)
        fill(&slot.address, Self.endpoint.address)
        try map("slots4").update(UInt32(0), to: slot)
        let bit = lb_filter_bit(Self.vip.address, 4)
        try map("vip_filter").update(bit / 64, to: UInt64(1) << UInt64(bit % 64))
        try map("masq_ports").update(UInt32(0), to: masq_ports.ofTests)
        var device = device()
        fill(&device.address4, Family.v4.node.address)
        try map("devices").update(try namespace.run { if_nametoindex("eth0") }, to: device)
    }

    func map(_ name: String) throws -> BPFMap { try object.map(named: name) }

    func count(of reason: counter) throws -> UInt64 {
        try map("counters").lookupPerCPU(reason.rawValue, as: UInt64.self)?.reduce(0, +) ?? 0
    }

    /// Runs a program over a packet that comes by eth0.
    func run(_ program: String, _ packet: Packet) throws -> Verdict {
        let program = try object.program(named: program)
        let run = try namespace.run { try program.run(packet: packet.bytes, device: if_nametoindex("eth0")) }
        return Verdict(action: Action(rawValue: Int32(bitPattern: run.result)), bytes: run.packet)
    }

    /// The first packets of so many clients, with the same port each.
    func arrive(_ clients: Int) throws {
        let packet = Packet.tcp("198.18.0.0:40000", Self.vip).bytes + [0, 0, 0, 0, 0, 0, 0, 0]
        var original = packet_original()
        original.size = UInt32(PACKET_ORIGINAL_MAX)
        original.address_offset = 14 + 14
        fill(&original.bytes, Array(packet.prefix(Int(PACKET_ORIGINAL_MAX))))
        try map("original").update(UInt32(0), to: original)
        let program = try object.program(named: "tst_wire_in")
        _ = try namespace.run {
            try program.run(packet: packet, repetitions: clients, device: if_nametoindex("eth0"))
        }
    }
}
