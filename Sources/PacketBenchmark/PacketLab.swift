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
    /// Whether packets are sent on past the stack where they can be.
    let redirects: Bool
    /// How many clients there were, in order: first packets never come from one that was there before, and those that
    /// are remembered have different ports.
    private var clients: [IPVersion: UInt32] = [:]

    enum Program: String, CaseIterable {
        case nothing = "tst_nothing"
        case undo = "tst_undo"
        case wireIn = "swl_wire_in"
        case wireOut = "swl_wire_out"
        case undoAndWireIn = "tst_wire_in"
        case undoAndWireOut = "tst_wire_out"
        case lookup4 = "tst_lookup4"
        case lookup6 = "tst_lookup6"

        /// It begins with the packet as it was.
        var isRepeated: Bool { [.undo, .undoAndWireIn, .undoAndWireOut].contains(self) }
        var isDeparture: Bool { self == .wireOut || self == .undoAndWireOut }
    }

    /// A class because a dictionary cannot hold noncopyable values.
    private final class BPFProgramBox {
        let program: BPFProgram
        init(_ program: consuming BPFProgram) { self.program = program }
    }

    /// - Parameter object: packets.bpf.o, which calls the programs.
    init(object: [UInt8], services count: Int, flows: UInt32, redirects: Bool = false) throws {
        let node = try NetworkLab.NetworkNamespace("packets")
        let beyond = try NetworkLab.NetworkNamespace("beyond")
        try Self.wire(node, beyond)
        let services = BenchmarkServices(
            count: count, node: { $0.address(250, 1, 1) }, endpoints: Self.endpoints, areLocal: false)
        let capacities = MapCapacities(flows: flows, possibleCPUs: 2)
        let datapath = try LabDatapath(
            BPFObject(name: "packets.bpf.o", bytes: object), capacities: capacities, redirects: redirects)
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
        self.redirects = redirects
    }

    /// One, so that it is known where a flow leads.
    static func endpoints(_ family: IPVersion) -> [SocketAddress] { [family.address(244, 2, 11, port: 8080)] }

    private static func wire(
        _ node: borrowing NetworkLab.NetworkNamespace, _ beyond: borrowing NetworkLab.NetworkNamespace
    ) throws {
        try node.connect("eth0", to: beyond, "far")
        // That of the benchmark's frames: the kernel drops one for another host.
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

    /// What repetitions of a program gave.
    struct Timing {
        /// The mean of one run.
        let nanoseconds: Double
        let action: Int32
        /// The packet as the last run left it.
        let packet: [UInt8]
    }

    /// - Parameters:
    ///   - first: the number of the client that the first repetition comes from; each comes from another one. All come
    ///     from the frame's source without it.
    ///   - flow: the flow that the frame has been translated for on arrival; with `first`, of the first repetition.
    func time(
        _ program: Program, _ frame: TCPFrame, repeats: Int, from first: UInt32? = nil, noted flow: UInt32? = nil
    ) throws -> Timing {
        if program.isRepeated { try enter(frame, from: first, noted: flow) }
        let start = Self.processorTime
        let run = try run(program, frame, repeats)
        let elapsed = Self.processorTime - start
        // The kernel's own figure is in whole nanoseconds, and others that run meanwhile count too. The call itself is
        // nothing beside its repetitions.
        return Timing(
            nanoseconds: Double(elapsed) / Double(repeats), action: Int32(bitPattern: run.result), packet: run.packet)
    }

    /// The mean time of one warm look-up in the table of a family's tuples, in nanoseconds.
    func timeLookup(_ family: IPVersion, repeats: Int) throws -> Double {
        let frame = TCPFrame(.following, from: family.stranger(1, 2, port: 1), to: family.stranger(7, 7, port: 80))
        var original = packet_original()
        // A tuple that no packet has, of a flow that is free.
        let key = [UInt8](repeating: 0xee, count: family == .v4 ? 16 : 40)
        fill(&original.bytes, key)
        try datapath.map("original").update(UInt32(0), to: original)
        switch family {
        case .v4: try datapath.map("tuples4").update(tuple(key, tuple4()), to: UInt32(0))
        case .v6: try datapath.map("tuples6").update(tuple(key, tuple6()), to: UInt32(0))
        }
        let program: Program = family == .v4 ? .lookup4 : .lookup6
        let measured = try time(program, frame, repeats: repeats)
        guard measured.action == -1 else { throw PacketBenchmarkError("a tuple that was entered was not found") }
        return (measured.nanoseconds - (try time(.nothing, frame, repeats: repeats).nanoseconds))
            / Double(PACKET_LOOKUPS)
    }

    private func tuple<Tuple: BitwiseCopyable>(_ bytes: [UInt8], _ empty: Tuple) -> Tuple {
        var tuple = empty
        fill(&tuple, bytes)
        return tuple
    }

    /// Numbers for so many clients that were never there before.
    func newClients(_ count: Int, _ family: IPVersion) -> UInt32 {
        defer { clients[family, default: 0] &+= UInt32(count) }
        return clients[family, default: 0]
    }

    /// What the calling thread has had of a processor, in nanoseconds.
    private static var processorTime: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Runs a frame once, and tells how it goes on.
    func pass(_ frame: TCPFrame, _ program: Program = .wireIn) throws -> [UInt8] {
        try run(program, frame, 1).packet
    }

    /// What departs has arrived by the same device.
    private func run(_ program: Program, _ frame: TCPFrame, _ repeats: Int) throws -> PacketRun {
        guard let box = programs[program] else { throw PacketBenchmarkError("no program \(program.rawValue)") }
        return try box.program.run(
            packet: frame.bytes, repetitions: repeats, device: device, arrival: program.isDeparture ? device : 0)
    }

    private func enter(_ frame: TCPFrame, from first: UInt32?, noted flow: UInt32?) throws {
        var original = packet_original()
        original.size = UInt32(PACKET_ORIGINAL_MAX)
        if let flow { original.noted = flow + 1 }
        if let first {
            let offsets = frame.sourceOffsets
            (original.address_offset, original.port_offset) = (UInt32(offsets.address), UInt32(offsets.port))
            original.runs = first
        }
        fill(&original.bytes, frame.bytes)
        try datapath.map("original").update(UInt32(0), to: original)
    }

    /// The number of the flow whose packets are forwarded with these ends.
    func flow(from client: SocketAddress, to endpoint: SocketAddress) throws -> UInt32 {
        let number: UInt32?
        if client.isV4 {
            var key = tuple4()
            fill(&key.source, client.address)
            fill(&key.destination, endpoint.address)
            (key.source_port, key.destination_port) = (client.port, endpoint.port)
            (key.protocol, key.place) = (TCP, INNER)
            number = try datapath.map("tuples4").lookup(key, as: UInt32.self)
        } else {
            var key = tuple6()
            fill(&key.source, client.address)
            fill(&key.destination, endpoint.address)
            (key.source_port, key.destination_port) = (client.port, endpoint.port)
            (key.protocol, key.place) = (TCP, INNER)
            number = try datapath.map("tuples6").lookup(key, as: UInt32.self)
        }
        guard let number else { throw PacketBenchmarkError("no flow \(client) → \(endpoint)") }
        return number
    }

    /// Empties the table of flows.
    func forgetFlows(_ family: IPVersion) throws {
        try datapath.forgetFlows(family == .v4 ? .v4 : .v6)
    }

    func counters() throws -> [String: UInt64] { try datapath.counters() }
}
