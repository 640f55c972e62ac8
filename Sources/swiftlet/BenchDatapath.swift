import BPFLoader
import ConnectBenchmark
import DatapathInstall
import NetworkLab
import ServiceMaps
import ServiceModel
import SystemPackage

/// A datapath for a benchmark alone: the real programs on maps of their own, attached to a cgroup of its own.
///
/// Everything goes with the value: links, maps and cgroup.
final class BenchDatapath: BenchmarkDatapath {
    private let group: Cgroup
    private let root: FilePath
    private let datapath: SocketDatapath
    private var writer: ServiceMapWriter<BPFMapStore>
    private var names: [ObjectName] = []
    let connect4: UInt32
    let sendmsg4: UInt32

    var cgroup: String { group.path }

    private static let mostEndpointPorts = 16_384

    /// - Parameter services: the most that will be programmed.
    init(services: Int) throws {
        group = try Cgroup("bench")
        root = FilePath("/sys/fs/bpf/\(FilePath(group.path).lastComponent?.string ?? "swiftlet-bench")")
        try BPFFileSystem.mount(at: "/sys/fs/bpf")
        let capacities = MapCapacities(
            services: UInt32(max(services * 2, 1024)), slots: UInt32(max(services * 24, 4096)),
            backends: UInt32(max(services * 12, 4096)), possibleCPUs: CPUs.possible)
        let pins = DatapathPins(root: root)
        datapath = try SocketDatapath(
            pins: pins, capacities: capacities, features: try KernelFeatures.probe(),
            hostNetnsCookie: try BPFLoader.NetworkNamespace.cookie())
        writer = try ServiceMapWriter(
            store: BPFMapStore(pins: pins), grace: RCUGracePeriod(), capacities: capacities)
        _ = try datapath.attach(to: FilePath(group.path), bindProtection: false)
        connect4 = try CgroupLink(pinnedAt: pins.link(.connect4)).info.programID
        sendmsg4 = try CgroupLink(pinnedAt: pins.link(.sendMessage4)).info.programID
    }

    func listening(_ body: () throws -> Void) throws -> Bool {
        let pins = DatapathPins(root: root)
        var listener = try EventListener { map throws(BPFError) in try BPFMap(pinnedAt: pins.map(map.rawValue)) }
        try body()
        _ = try listener.take()
        return true
    }

    deinit {
        // An error cannot be reported here; `swiftlet cleanup --bpf-root` names what stays.
        _ = try? Cleanup(bpfRoot: root).run()
    }

    func program(
        services: Int, backends: [SocketAddress], _ kind: NetworkLab.Socket.Kind
    ) throws -> [SocketAddress] {
        let proto: IPProtocol = kind == .udp ? .udp : .tcp
        // What answers as one VIP of a socket cannot answer as another one: of UDP each Service has endpoints of its own.
        let endpoints = (0..<(kind == .udp ? Self.mostEndpointPorts : 1)).map { number in
            backends.compactMap { backend in
                Port(Int(backend.port) + number).map { DesiredBackend(address: IPAddress(backend), port: $0) }
            }.sorted { $0.address < $1.address }
        }
        guard let port = Port(80), let last = IPAddress("198.18.0.0") else { return [] }
        let desired = (0..<services).map { number in
            let name = ObjectName(namespace: "bench", name: "service-\(number)")
            let key = FrontendKey(
                address: IPAddress(v4: UInt32(last.low) + UInt32(number) + 1), port: port, proto: proto)
            return DesiredService(
                name: name,
                ports: [
                    DesiredServicePort(
                        name: ServicePortName(service: name, port: "", proto: proto, family: .v4),
                        backends: endpoints[number % endpoints.count],
                        frontends: [DesiredFrontend(key: key, kind: .clusterIP)])
                ])
        }
        let wanted = Set(desired.map(\.name))
        let report = writer.apply(upserts: desired, removals: names.filter { !wanted.contains($0) }, prune: true)
        if let failure = report.failures.first { throw CommandError(.benchmarkFailed, "\(failure)") }
        _ = try writer.reclaim()
        names = desired.map(\.name)
        return desired.flatMap { $0.ports.flatMap(\.frontends) }.map { frontend in
            SocketAddress(address: frontend.key.address.bytes, port: frontend.key.port.number)
        }
    }
}

extension IPAddress {
    fileprivate init(_ address: SocketAddress) {
        let bytes = address.unmapped.address
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        if bytes.count == 4 {
            self.init(v4: UInt32(number(0..<4)))
        } else {
            self.init(v6: number(0..<8), number(8..<16))
        }
    }
}
