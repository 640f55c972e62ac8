import BPFLoader
import CDatapath
import NetworkLab
import ServiceMaps
import TestKit
import Testing

/// A node whose programs at tc are run on packets: a namespace with routes, and the maps as the control plane fills them.
///
///     network ── eth0 192.0.2.1, 2001:db8::1   node   pod0 ── pod 10.244.0.11, fd00:244::11
///
/// Other nodes' pods, 10.244.1.0/24 and fd00:244:1::/64, are behind a neighbour on eth0. A program is run as if the
/// packet were on the namespace's loopback, which no decision depends on.
struct PacketNode: ~Copyable {
    let namespace: NetworkLab.NetworkNamespace
    let network: NetworkLab.NetworkNamespace
    private let object: LoadedBPFObject

    /// - Parameter settings: changes what the programs are told at load.
    static func make(_ settings: (inout tc_config) -> Void = { _ in }) throws -> PacketNode {
        let node = PacketNode(
            namespace: try NetworkLab.NetworkNamespace("node"), network: try NetworkLab.NetworkNamespace("network"),
            object: try load(settings))
        try node.setUpNetwork()
        try node.setFilter(to: .max)
        try node.addDevice("eth0", mtu: 1500)
        return node
    }

    private static func load(_ settings: (inout tc_config) -> Void) throws -> LoadedBPFObject {
        let bytes = swiftlet_tc_object()
        let object = try BPFObject(
            name: "tc.bpf.o", bytes: UnsafeRawBufferPointer(start: bytes.start, count: bytes.size))
        var config = tc_config.usual
        settings(&config)
        try object.setInitialValue(of: ".rodata.tc", to: config)
        return try object.load()
    }

    private func setUpNetwork() throws {
        try namespace.set("ipv4/ip_forward", to: "1")
        try namespace.set("ipv6/conf/all/forwarding", to: "1")
        try namespace.connect("eth0", to: network, "wire0")
        try namespace.connect("pod0", to: network, "pod")
        try namespace.ip(lines: [
            "address add 192.0.2.1/24 dev eth0", "address add 2001:db8::1/64 dev eth0 nodad",
            "route add 10.244.1.0/24 via 192.0.2.3", "route add fd00:244:1::/64 via 2001:db8::3",
            "route add 10.244.0.11/32 dev pod0", "route add fd00:244::11/128 dev pod0",
            "route add default via 192.0.2.254", "route add default via 2001:db8::fe",
        ])
    }

    func map(_ name: String) throws -> BPFMap { try object.map(named: name) }

    /// Sets every word of the filter of VIPs; at first each address may be one.
    func setFilter(to word: UInt64) throws {
        let indices = Array(0..<UInt32(LB_FILTER_WORDS))
        try map("vip_filter").updateBatch(keys: indices, values: indices.map { _ in word }).check()
    }

    /// Says that our programs are on a device, and the node's addresses towards it.
    func addDevice(_ name: String, mtu: UInt32) throws {
        var value = device()
        fill(&value.address4, Family.v4.node.address)
        fill(&value.address6, Family.v6.node.address)
        value.mtu = mtu
        try map("devices").update(try index(of: name), to: value)
    }

    private func index(of device: String) throws -> UInt32 {
        let text = try namespace.ip("-o", "link", "show", device)
        return try #require(text.split(separator: ":").first.flatMap { UInt32($0) })
    }

    /// Runs a program on a packet once.
    func run(_ program: String, on packet: Packet) throws -> Verdict {
        let name = "swl_\(program)" + (packet.ethernet == nil ? "_l3" : "")
        let run = try object.program(named: name)
        let result = try namespace.run { try run.run(packet: packet.bytes) }
        return Verdict(action: Verdict.Action(result.result), bytes: result.packet)
    }

    /// How often a reason was counted, on all CPUs together.
    func count(of reason: counter) throws -> UInt64 {
        try map("counters").lookupPerCPU(reason.rawValue, as: UInt64.self)?.reduce(0, +) ?? 0
    }
}

/// What a program says of a packet, and what it has made of it.
struct Verdict {
    enum Action: Hashable {
        case passed, dropped, redirected
        case other(UInt32)

        init(_ number: UInt32) {
            switch number {
            case .max: self = .passed
            case 2: self = .dropped
            case 7: self = .redirected
            default: self = .other(number)
            }
        }
    }

    var action: Action
    var bytes: [UInt8]

    /// The packet, with every checksum looked at.
    var packet: Packet { get throws { try Packet(bytes) } }
}

extension tc_config {
    /// The time-outs that the control plane writes unless told otherwise.
    static var usual: tc_config {
        var config = tc_config()
        (config.tcp_seconds, config.tcp_new_seconds, config.tcp_closing_seconds) = (8000, 60, 10)
        (config.udp_seconds, config.other_seconds) = (60, 60)
        config.external_cluster_ip = 1
        return config
    }
}

extension Family {
    private func pick(_ v4: SocketAddress, _ v6: SocketAddress) -> SocketAddress { self == .v4 ? v4 : v6 }

    var node: SocketAddress { pick("192.0.2.1:0", "[2001:db8::1]:0") }
    var frontend: SocketAddress { pick("203.0.113.10:80", "[2001:db8:113::10]:80") }
    var caller: SocketAddress { pick("198.51.100.7:40000", "[2001:db8:51::7]:40000") }
    /// A pod on another node, and one on this.
    var remotePod: SocketAddress { pick("10.244.1.21:8080", "[fd00:244:1::21]:8080") }
    var localPod: SocketAddress { pick("10.244.0.11:8080", "[fd00:244::11]:8080") }
}

/// Writes bytes into a C array, which Swift sees as a tuple.
func fill<Field: BitwiseCopyable>(_ field: inout Field, _ bytes: [UInt8]) {
    withUnsafeMutableBytes(of: &field) { $0.copyBytes(from: bytes) }
}
