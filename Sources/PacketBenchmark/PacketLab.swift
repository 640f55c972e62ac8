import BPFLoader
import CDatapath
import CSelect
import ConnectBenchmark
import Glibc
import NetworkLab
import ServiceMaps
import ServiceModel
import SystemPackage

/// A node on which packets are run through the programs: a device towards the network, and endpoints on another node.
///
/// ```
/// client 198.18.x.x ── (router 10.250.1.254) ── eth0 10.250.1.1  node
///                       another node 10.250.1.2: 10.244.2.0/24
/// ```
final class PacketLab {
    private let node: NetworkLab.NetworkNamespace
    private let beyond: NetworkLab.NetworkNamespace
    private let device: UInt32
    private let datapath: LabDatapath
    private let programs: [Program: BPFProgramBox]
    let services: BenchmarkServices
    /// How many flows are remembered.
    let mostFlows: Int
    /// How many clients there were, in order: first packets never come from one that was there before, and those that
    /// are remembered have different ports.
    private var clients: [IPVersion: UInt32] = [:]

    enum Program: String, CaseIterable {
        case nothing = "tst_nothing"
        case undo = "tst_undo"
        case wireIn = "swl_wire_in"
        case undoAndWireIn = "tst_wire_in"
    }

    /// A class because a dictionary cannot hold noncopyable values.
    private final class BPFProgramBox {
        let program: BPFProgram
        init(_ program: consuming BPFProgram) { self.program = program }
    }

    /// - Parameter object: packets.bpf.o, which calls the programs.
    init(object: [UInt8], services count: Int, flows: UInt32) throws {
        let node = try NetworkLab.NetworkNamespace("packets")
        let beyond = try NetworkLab.NetworkNamespace("beyond")
        try Self.wire(node, beyond)
        let services = BenchmarkServices(
            count: count, node: { $0.address(250, 1, 1) }, endpoints: Self.endpoints, areLocal: false)
        let capacities = MapCapacities(flows: flows, possibleCPUs: 2)
        let datapath = try LabDatapath(
            BPFObject(name: "packets.bpf.o", bytes: object), capacities: capacities)
        try datapath.serve(services.desired)
        device = try node.run {
            try datapath.enter("eth0", v4: services.node(.v4).address, v6: services.node(.v6).address)
            return try NetworkDevice(named: "eth0").index
        }
        programs = try Dictionary(
            uniqueKeysWithValues: Program.allCases.map { ($0, BPFProgramBox(try datapath.program($0.rawValue))) })
        self.node = node
        self.beyond = beyond
        self.datapath = datapath
        self.services = services
        mostFlows = Int(flows)
    }

    /// Enough for the node to have a port towards one of them for every flow that is remembered.
    private static func endpoints(_ family: IPVersion) -> [SocketAddress] {
        (11...18).map { family.address(244, 2, $0, port: 8080) }
    }

    private static func wire(
        _ node: borrowing NetworkLab.NetworkNamespace, _ beyond: borrowing NetworkLab.NetworkNamespace
    ) throws {
        try node.connect("eth0", to: beyond, "far")
        // That of the benchmark's frames: one for another host is nobody's.
        try node.ip(lines: ["link set eth0 address 02:00:00:00:00:01"])
        try node.set("ipv4/ip_forward", to: "1")
        try node.set("ipv6/conf/all/forwarding", to: "1")
        for family in IPVersion.allCases {
            try node.addAddress("\(family.address(250, 1, 1).host)/\(family.prefixLength)", to: "eth0")
            let pods = "\(family.address(244, 2, 0).host)/\(family.prefixLength)"
            try node.ip(lines: [
                "route add default via \(family.address(250, 1, 254).host)",
                "route add \(pods) via \(family.address(250, 1, 2).host)",
            ])
        }
    }

    /// Runs a closure on a thread inside the node's namespace.
    func inside<Value>(_ body: () throws -> Value) throws -> Value { try node.run(body) }

    // MARK: On a thread inside

    /// The mean time of one run, in nanoseconds.
    ///
    /// - Parameter isNewClient: every repetition comes from another client.
    func time(
        _ program: Program, _ frame: TCPFrame, repeats: Int, isNewClient: Bool = false
    ) throws -> (nanoseconds: Double, action: Int32) {
        if program == .undo || program == .undoAndWireIn { try enter(frame, isNewClient: isNewClient) }
        let start = Self.processorTime
        let run = try run(program, frame, repeats)
        let elapsed = Self.processorTime - start
        if isNewClient, program == .undoAndWireIn { clients[frame.family, default: 0] &+= UInt32(repeats) }
        // The kernel's own figure is in whole nanoseconds, and others that run meanwhile count too. The call itself is
        // nothing beside its repetitions.
        return (Double(elapsed) / Double(repeats), Int32(bitPattern: run.result))
    }

    /// What the calling thread has had of a processor, in nanoseconds.
    private static var processorTime: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Runs a frame once, and tells how it goes on.
    func pass(_ frame: TCPFrame) throws -> [UInt8] { try run(.wireIn, frame, 1).packet }

    private func run(_ program: Program, _ frame: TCPFrame, _ repeats: Int) throws -> PacketRun {
        guard let box = programs[program] else { throw PacketBenchmarkError("no program \(program.rawValue)") }
        return try box.program.run(packet: frame.bytes, repetitions: repeats, device: device)
    }

    private func enter(_ frame: TCPFrame, isNewClient: Bool) throws {
        var original = packet_original()
        original.size = UInt32(PACKET_ORIGINAL_MAX)
        if isNewClient {
            let offsets = frame.sourceOffsets
            (original.address_offset, original.port_offset) = (UInt32(offsets.address), UInt32(offsets.port))
            original.runs = clients[frame.family] ?? 0
        }
        fill(&original.bytes, frame.bytes)
        try datapath.map("original").update(UInt32(0), to: original)
    }

    /// Empties the table of flows.
    func forgetFlows(_ family: IPVersion) throws {
        try datapath.forgetFlows(family == .v4 ? .v4 : .v6)
    }

    func counters() throws -> [String: UInt64] { try datapath.counters() }
}
