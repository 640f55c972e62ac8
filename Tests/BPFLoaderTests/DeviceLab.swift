import BPFLoader
import Glibc
import NetworkLab
import SystemPackage
import TestKit
import Testing

/// A device "eth0" in a namespace of its own, whose other end sends packets, and four programs for it: two of ours, and
/// two of somebody else. All of them count and pass on.
struct DeviceLab: ~Copyable {
    static let address = "10.9.0.1"
    static let prefix = "own_"
    static let hasTCX = Kernel.features?.has(.tcx) == true
    /// The ways of attaching that this kernel has.
    static let kinds: [DeviceAttachments.Kind] = hasTCX ? [.tcx, .clsact] : [.clsact]

    let near: NetworkLab.NetworkNamespace
    let far: NetworkLab.NetworkNamespace
    let pins: PinDirectory
    let ownFirst: BPFProgram
    let ownSecond: BPFProgram
    let otherFirst: BPFProgram
    let otherSecond: BPFProgram
    private let packets: BPFMap

    init() throws {
        let near = try NetworkLab.NetworkNamespace("near")
        let far = try NetworkLab.NetworkNamespace("far")
        try near.connect("eth0", to: far, "eth0")
        try near.addAddress("\(Self.address)/24", to: "eth0")
        try far.addAddress("10.9.0.2/24", to: "eth0")
        let loaded = try testObject("device.bpf.o").load()
        let pins = try PinDirectory()
        let packets = try loaded.map(named: "packets")
        let ownFirst = try loaded.program(named: "own_first")
        let ownSecond = try loaded.program(named: "own_second")
        let otherFirst = try loaded.program(named: "other_first")
        let otherSecond = try loaded.program(named: "other_second")
        self.near = near
        self.far = far
        self.pins = pins
        self.packets = packets
        self.ownFirst = ownFirst
        self.ownSecond = ownSecond
        self.otherFirst = otherFirst
        self.otherSecond = otherSecond
    }

    var directory: FilePath { pins.path.appending("devices") }

    func attachments(_ kind: DeviceAttachments.Kind) -> DeviceAttachments {
        DeviceAttachments(directory: directory, kind: kind, prefix: Self.prefix)
    }

    /// The device, looked up in its namespace.
    func device(_ name: String = "eth0") throws -> NetworkDevice { try near.run { try NetworkDevice(named: name) } }

    /// What runs at a direction of the device, by name and in order.
    func chain(_ direction: TrafficDirection = .ingress) throws -> [String] {
        try near.run { try DeviceQuery.programs(on: NetworkDevice(named: "eth0"), direction).map { $0.name ?? "?" } }
    }

    /// Attaches a program of somebody else with the tool that everybody has; `program` is pinned for it.
    func addFilter(
        _ program: borrowing BPFProgram, _ direction: TrafficDirection = .ingress, priority: Int, handle: UInt32 = 1
    ) throws {
        let pin = pins.path.appending(program.name)
        if names(in: pins.path).contains(program.name) == false { try program.pin(at: pin) }
        try tc([
            "filter", "add", "dev", "eth0", "\(direction)", "prio", "\(priority)", "handle", "\(handle)", "bpf", "da",
            "object-pinned", pin.string,
        ])
    }

    @discardableResult
    func tc(_ arguments: [String]) throws -> String { try Command.run(["tc"] + arguments, in: near.path) }

    func hasDiscipline(_ kind: String = "clsact") throws -> Bool {
        try tc(["qdisc", "show", "dev", "eth0"]).contains("qdisc \(kind) ")
    }

    /// The programs that see packets which are sent now, by their names.
    func programsThatCount() throws -> Set<String> {
        let zeroes = (0..<4).map { (UInt32($0), UInt64(0)) }
        for (key, value) in zeroes { try packets.update(key, to: value) }
        try far.run { try sendDatagram(to: Self.address) }
        // The packet is on its way, and what answers it as well: whoever counts does so soon or never.
        let names = ["own_first", "own_second", "other_first", "other_second"]
        let expected = try chain(.ingress)
        var counting: Set<String> = []
        _ = try eventually {
            let counts: [UInt64] = try packets.values(in: 0..<4)
            counting = Set(zip(names, counts).filter { $0.1 > 0 }.map(\.0))
            return counting.isSuperset(of: expected)
        }
        return counting
    }
}

private func sendDatagram(to address: String) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(descriptor) }
    var destination = sockaddr_in()
    destination.sin_family = sa_family_t(AF_INET)
    destination.sin_port = UInt16(9).bigEndian
    destination.sin_addr.s_addr = inet_addr(address)
    let sent = withUnsafePointer(to: &destination) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            sendto(descriptor, "x", 1, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    #expect(sent == 1)
}
