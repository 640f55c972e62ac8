import BPFLoader
import CDatapath
import DatapathInstall
import Glibc
import NetworkLab
import ServiceMaps
import ServiceModel
import SocketDestroy
import SystemPackage
import TestKit
import Testing

/// Everything that touches the kernel, one test at a time: hooks and namespaces are not shared.
@Suite(.tags(.kernel), .serialized, .enabled(if: Kernel.canLoadPrograms, Kernel.reason))
enum KernelTests {}

/// The socket hooks on a cgroup of our own, maps that `ServiceMapWriter` fills, and network namespaces in which every
/// backend has an address on the loopback.
///
/// The cgroup is a threaded one: the clients are sockets of this process, made by threads in it.
final class DestroyLab {
    let paths: DatapathPaths
    private let root: FilePath
    private let datapath: SocketDatapath
    private var writer: ServiceMapWriter<BPFMapStore>
    /// Below the other one, and left to the packets. It goes first: what is above it could not go.
    private let left: Cgroup
    private let cgroup: Cgroup
    private let namespaces: [Space]
    /// What serves since the last change.
    private(set) var awakened: [AwakenedFrontend] = []

    /// A class because arrays cannot hold noncopyable values.
    private final class Space: Sendable {
        let namespace: NetworkLab.NetworkNamespace
        init(_ namespace: consuming NetworkLab.NetworkNamespace) { self.namespace = namespace }
    }

    init(namespaces count: Int = 1) throws {
        let root = FilePath("/sys/fs/bpf/swl-\(getpid())-destroy")
        try BPFFileSystem.mount(at: "/sys/fs/bpf")
        let pins = DatapathPins(root: root)
        let capacities = MapCapacities(
            services: 1_024, slots: 1_024, backends: 1_024, sourceRanges: 1_024, affinity: 1_024, flows: 1_024,
            possibleCPUs: CPUs.possible)
        let features = try #require(Kernel.features)
        let datapath = try SocketDatapath(
            pins: pins, capacities: capacities, features: features,
            hostNetnsCookie: try BPFLoader.NetworkNamespace.cookie())
        let cgroup = try Cgroup("destroy", below: Cgroup.current())
        try Self.write("threaded", to: "\(cgroup.path)/cgroup.type")
        _ = try datapath.attach(to: FilePath(cgroup.path), bindProtection: false)
        namespaces = try (0..<count).map { _ in
            let space = try NetworkLab.NetworkNamespace("destroy")
            try space.ip(
                lines: (1...4).flatMap {
                    ["address add 10.244.0.\($0)/32 dev lo", "address add fd00:10:244::\($0)/128 dev lo nodad"]
                } + [
                    // Into nothing, for who is not translated.
                    "route add 10.96.0.0/24 dev lo src 10.244.0.4",
                    "route add fd00:10:96::/48 dev lo src fd00:10:244::4",
                ])
            return Space(space)
        }
        writer = try ServiceMapWriter(store: BPFMapStore(pins: pins), grace: RCUGracePeriod(), capacities: capacities)
        paths = DatapathPaths(
            origin: pins.map("sock_origin"), spill: pins.map("sock_spill"), leftCgroups: pins.map("left_cgroups"),
            services4: pins.map("services4"), services6: pins.map("services6"), cgroup: FilePath(cgroup.path))
        let left = try Cgroup("left", below: cgroup.path)
        try Self.write("threaded", to: "\(left.path)/cgroup.type")
        try LeftCgroupMaps { map throws(BPFError) in try BPFMap(pinnedAt: pins.map(map.rawValue)) }.write(
            [CgroupFileSystem.id(of: FilePath(left.path)): 1], below: CgroupFileSystem.id(of: FilePath(cgroup.path)))
        self.left = left
        self.root = root
        self.datapath = datapath
        self.cgroup = cgroup
    }

    deinit { _ = try? Cleanup(bpfRoot: root).run() }

    static func write(_ text: String, to path: String) throws {
        let file = try FileDescriptor.open(FilePath(path), .writeOnly)
        try file.closeAfter { _ = try file.writeAll(text.utf8) }
    }

    // MARK: What is served

    /// Serves a Service by these backends; `terminating` ones keep what they have.
    ///
    /// - Returns: the backends that are gone by it.
    @discardableResult
    func serve(_ service: TestService, by backends: [UInt8], terminating: [UInt8] = []) throws -> [RemovedBackend] {
        try apply(upserts: [service.desired(backends, terminating)])
    }

    @discardableResult
    func remove(_ service: TestService) throws -> [RemovedBackend] { try apply(removals: [service.name]) }

    private func apply(upserts: [DesiredService] = [], removals: [ObjectName] = []) throws -> [RemovedBackend] {
        let report = writer.apply(upserts: upserts, removals: removals)
        try #require(report.failures.isEmpty, "\(report.failures)")
        awakened = report.awakened
        return try writer.reclaim().removedBackends
    }

    func map(_ name: String) throws -> BPFMap { try BPFMap(pinnedAt: DatapathPins(root: root).map(name)) }

    // MARK: Sockets

    /// A connected socket of a pod.
    func connect(
        _ address: SocketAddress, _ kind: Socket.Kind = .udp, in number: Int = 0, of owner: Owner = .served,
        family: ClientFamily = .fitting
    ) throws -> Client {
        try inside(number, of: owner) {
            let socket = try Socket(kind, v4: address.isV4 && family == .fitting)
            try socket.setTimeout(milliseconds: 2_000)
            try socket.connect(to: family == .mapped ? address.mapped : address)
            return Client(socket)
        }
    }

    /// A connect of TCP that is under way.
    func beginConnect(_ address: SocketAddress, in number: Int = 0, of owner: Owner = .served) throws -> Client {
        try inside(number, of: owner) {
            let socket = try Socket(.tcp, v4: address.isV4, nonblocking: true)
            let error = #expect(throws: SocketError.self) { try socket.connect(to: address) }
            try #require(error?.number == ETIMEDOUT, "it is under way: the lab's word for EINPROGRESS")
            return Client(socket)
        }
    }

    /// A socket without a peer.
    func unconnected(in number: Int = 0) throws -> Client {
        try inside(number, of: .served) {
            let socket = try Socket(.udp, v4: true)
            try socket.setTimeout(milliseconds: 2_000)
            return Client(socket)
        }
    }

    /// A backend's socket.
    func backend(_ kind: Socket.Kind, _ address: SocketAddress, in number: Int = 0) throws -> Client {
        try inside(number, of: .stranger) {
            let socket = try Socket.bound(kind, to: address, nonblocking: false)
            try socket.setTimeout(milliseconds: 2_000)
            return Client(socket)
        }
    }

    /// A listener at an IPv4 address that nobody had.
    func answer(at address: SocketAddress) throws -> Client {
        let bytes = address.address.suffix(4).map(String.init).joined(separator: ".")
        try namespaces[0].namespace.addAddress("\(bytes)/32", to: "lo")
        return try backend(.tcp, address)
    }

    /// A host at a Service's VIP: somebody who was there before it, or comes when it goes.
    func host(at service: TestService) throws -> Client {
        try namespaces[0].namespace.addAddress("\(service.vipAddress)/\(service.family == .v4 ? 32 : 128)", to: "lo")
        return try backend(.udp, service.address)
    }

    /// Sets a sysctl of the first namespace.
    func set(_ sysctl: String, to value: Int) throws {
        try inside(0, of: .stranger) { try Self.write("\(value)", to: "/proc/sys/\(sysctl)") }
    }

    private func inside<Value>(_ number: Int, of owner: Owner, _ body: () throws -> Value) throws -> Value {
        try namespaces[number].namespace.run {
            switch owner {
            case .served: try Self.write("0", to: "\(cgroup.path)/cgroup.threads")
            case .left: try Self.write("0", to: "\(left.path)/cgroup.threads")
            case .stranger: break
            }
            return try body()
        }
    }

    // MARK: Destroying

    /// What goes over the namespaces of this lab, and no others.
    ///
    /// - Parameter revives: UDP sockets are connected anew.
    func sweep(_ mechanism: DestroyMechanism, revives: Bool = false) throws -> Sweep {
        let places = Set(namespaces.map { FilePath($0.namespace.path) })
        let reviver = revives ? try SocketReviver(paths) : nil
        return Sweep(try destroyer(mechanism), reviver: reviver) {
            var found = NetworkNamespaces.find()
            found.places.removeAll { !places.contains($0.path) }
            found.hidden = 0
            return found
        }
    }

    /// Ends sockets of UDP that wait in the first namespace.
    func end(_ cookies: [UInt64]) throws -> Int? {
        try inside(0, of: .stranger) { try IteratorDestroyer(paths).endWaiting(cookies, of: .udp, in: .thread) }
    }

    func destroyer(_ mechanism: DestroyMechanism) throws -> any SocketDestroyer {
        switch mechanism {
        case .bpf: try IteratorDestroyer(paths)
        case .netlink: try NetlinkDestroyer(paths)
        }
    }

    /// Goes over the sockets of one namespace.
    func walk(
        _ destroyer: any SocketDestroyer, _ gone: [RemovedBackend], _ order: DestroyOrder, in number: Int = 0
    ) throws -> [RemovedBackend: SocketCounts] {
        try inside(number, of: .stranger) { try destroyer.walk(gone, order) }
    }
}

/// Whose a socket is.
enum Owner: CaseIterable {
    case served
    /// A process that is left to the packets.
    case left
    /// One outside of the cgroup that has the hooks.
    case stranger
}

enum ClientFamily { case fitting, mapped }

/// A socket that tests can keep in arrays.
final class Client: Sendable {
    let socket: Socket

    init(_ socket: consuming Socket) { self.socket = socket }

    /// The error that waits for the program, which is told once; 0: none.
    func takeError() -> CInt {
        var (error, length) = (CInt(0), socklen_t(MemoryLayout<CInt>.size))
        getsockopt(socket.rawValue, SOL_SOCKET, SO_ERROR, &error, &length)
        return error
    }

    var isConnected: Bool { (try? socket.peerName()) != nil }

    /// The kernel's number for the socket.
    var cookie: UInt64 {
        var (cookie, length) = (UInt64(0), socklen_t(MemoryLayout<UInt64>.size))
        let option: CInt = 57  // SO_COOKIE, which Glibc's module leaves out
        getsockopt(socket.rawValue, SOL_SOCKET, option, &cookie, &length)
        return cookie
    }

    /// Whether the kernel tells within this time that the connection is over.
    func waitForHangUp(seconds: Int) -> Bool {
        var poll = pollfd(fd: socket.rawValue, events: 0, revents: 0)
        return Glibc.poll(&poll, 1, CInt(seconds * 1_000)) == 1 && poll.revents & Int16(POLLHUP | POLLERR) != 0
    }
}

/// A Service of one port, with a ClusterIP.
struct TestService {
    var label = "web"
    var vip: UInt8 = 10
    var port = 80
    var proto = IPProtocol.udp
    var family = IPFamily.v4
    var targetPort = 8080
    var kind = DesiredFrontend.Kind.clusterIP
    /// Its VIP is an address of the loopback.
    var isAtLoopback = false

    var name: ObjectName { ObjectName(namespace: "default", name: label) }
    var address: SocketAddress { SocketAddress(address: vipAddress.bytes, port: UInt16(port)) }

    var vipAddress: IPAddress {
        if isAtLoopback { return family == .v4 ? IPAddress(v4: 0x7f00_0001) : IPAddress(v6: 0, 1) }
        return family == .v4
            ? IPAddress(v4: 0x0a60_0000 | UInt32(vip)) : IPAddress(v6: 0xfd00_0010_0096_0000, UInt64(vip))
    }

    private func podAddress(_ number: UInt8) -> IPAddress {
        family == .v4
            ? IPAddress(v4: 0x0af4_0000 | UInt32(number)) : IPAddress(v6: 0xfd00_0010_0244_0000, UInt64(number))
    }

    func pod(_ number: UInt8, port: Int? = nil) -> SocketAddress {
        SocketAddress(address: podAddress(number).bytes, port: UInt16(port ?? targetPort))
    }

    func desired(_ backends: [UInt8], _ terminating: [UInt8]) throws -> DesiredService {
        let port = try #require(Port(port))
        let target = try #require(Port(targetPort))
        let active = backends.map { DesiredBackend(address: podAddress($0), port: target) }
        let ending = terminating.map {
            DesiredBackend(address: podAddress($0), port: target, state: .terminating, inCluster: false)
        }
        return DesiredService(
            name: name,
            ports: [
                DesiredServicePort(
                    name: ServicePortName(service: name, port: "", proto: proto, family: family),
                    backends: (active + ending).sorted { $0.address < $1.address },
                    frontends: [
                        DesiredFrontend(
                            key: FrontendKey(address: vipAddress, port: port, proto: proto), kind: kind,
                            action: active.isEmpty ? .reject : .balance, policy: .cluster)
                    ])
            ])
    }
}

extension DestroyMechanism {
    /// Those that the running kernel has; what a kernel lacks is said by the daemon's own test.
    static var present: [DestroyMechanism] { IteratorDestroyer.isPossible ? [.bpf, .netlink] : [.netlink] }
}
