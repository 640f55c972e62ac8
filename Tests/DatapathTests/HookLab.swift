import BPFLoader
import CDatapath
import Glibc
import NetworkLab
import SystemPackage

/// The socket hooks attached to a cgroup of our own, and a network namespace where ten backends may live.
///
/// A socket belongs for life to the cgroup and the namespace of the *thread* that made it: the cgroup is a threaded
/// one, so the clients are sockets of this process, and the process itself stays where it is.
struct HookLab: ~Copyable {
    let datapath: Datapath
    /// Whether this kernel tells the datapath which sockets are multipath TCP.
    let hasMultipath = datapath_config.ofThisKernel.has_multipath == 1
    private let links: [Attachment]
    private let cgroup: Cgroup
    private let namespace: NetworkLab.NetworkNamespace
    var cgroupPath: String { cgroup.path }

    /// A class because arrays cannot hold noncopyable values.
    private final class Attachment {
        let link: CgroupLink
        init(_ link: consuming CgroupLink) { self.link = link }
    }

    init(_ object: String = Datapath.sockets, change: (inout datapath_config) -> Void = { _ in }) throws {
        let namespace = try NetworkLab.NetworkNamespace("hooks")
        try namespace.ip(lines: Self.backendAddresses.map { "address add \($0) dev lo" })
        let cgroup = try Cgroup("hooks", below: Cgroup.current())
        try Self.write("threaded", to: "\(cgroup.path)/cgroup.type")
        let datapath = try Datapath(object, change: change)
        links = try Self.attach(datapath.object, to: FilePath(cgroup.path))
        self.datapath = datapath
        self.cgroup = cgroup
        self.namespace = namespace
    }

    /// Leads the VIPs somewhere: to where they come from as pod 9, and nobody listens.
    func routeVIPs() throws {
        try namespace.ip(lines: [
            "link add name away type veth peer name nobody", "link set nobody up", "link set away up",
            "route add 10.96.0.0/24 dev away src 10.244.0.9", "route add fd00:10:96::/48 dev away src fd00:10:244::9",
        ])
    }

    private static var backendAddresses: [String] {
        (1...10).flatMap { (number: UInt8) in
            Family.allCases.map { family in
                let host = SocketAddress(address: family.pod(number), port: 0).host
                return family == .v4 ? "\(host)/32" : "\(host)/128 nodad"
            }
        }
    }

    private static func attach(_ object: borrowing LoadedBPFObject, to cgroup: FilePath) throws -> [Attachment] {
        var links: [Attachment] = []
        for program in object.programs {
            guard let hook = CgroupAttachType(section: program.section) else { continue }
            let loaded = try object.program(named: program.name)
            links.append(Attachment(try CgroupLink.attach(loaded, to: cgroup, as: hook)))
        }
        return links
    }

    private static func write(_ text: String, to path: String) throws {
        let file = try FileDescriptor.open(FilePath(path), .writeOnly)
        try file.closeAfter { _ = try file.writeAll(text.utf8) }
    }

    /// Runs a closure on a thread that is in the cgroup and the namespace; what it opens belongs there.
    func inside<Value: ~Copyable>(_ body: () throws -> Value) throws -> Value {
        try namespace.run {
            try Self.write("0", to: "\(cgroup.path)/cgroup.threads")
            return try body()
        }
    }

    /// A socket that the hooks see.
    func client(_ form: ClientForm, _ kind: Socket.Kind) throws -> Socket {
        try inside {
            let socket = try Socket(kind, v4: form == .ip4)
            try socket.setTimeout(milliseconds: 2_000)
            return socket
        }
    }

    /// A backend's socket, outside the cgroup: a listener, or one that answers datagrams with `answer(on:)`.
    func backend(_ address: SocketAddress, _ kind: Socket.Kind) throws -> Socket {
        try namespace.run {
            guard kind == .udp else { return try Socket.bound(kind, to: address) }
            let socket = try Socket(kind, v4: address.isV4)
            try socket.setTimeout(milliseconds: 2_000)
            try socket.bind(to: address)
            return socket
        }
    }
}

/// How a program reaches an address: `mapped` is IPv4 through an IPv6 socket.
enum ClientForm: String, CaseIterable {
    case ip4, mapped, ip6

    var family: Family { self == .ip6 ? .v6 : .v4 }

    /// The address as this client's calls take and show it.
    func shown(_ address: SocketAddress) -> SocketAddress { self == .mapped ? address.mapped : address }
}

extension Socket {
    /// The kernel's number for this socket, which `sock_origin` goes by.
    var cookie: UInt64 {
        var cookie: UInt64 = 0
        var length = socklen_t(MemoryLayout<UInt64>.size)
        let option: CInt = 57  // SO_COOKIE, which Glibc's module leaves out
        return getsockopt(rawValue, SOL_SOCKET, option, &cookie, &length) == 0 ? cookie : 0
    }

    /// Ends the connection of a socket that goes on living.
    func disconnect() throws(SocketError) {
        var address = sockaddr()
        address.sa_family = sa_family_t(AF_UNSPEC)
        guard Glibc.connect(rawValue, &address, socklen_t(MemoryLayout<sockaddr>.size)) == 0 else {
            throw SocketError("connect", errno)
        }
    }

    /// Answers one datagram with the same bytes.
    func answer() throws(SocketError) {
        let (bytes, source) = try receive()
        try send(bytes, to: source)
    }
}

extension Datapath {
    /// The place of a socket in `sock_origin`.
    func place(of cookie: UInt64) throws -> origin {
        try map("sock_origin").lookup(UInt32(truncatingIfNeeded: cookie) % UInt32(LB_ORIGINS)) ?? origin()
    }

    /// How many sockets have a place.
    func takenPlaces() throws -> Int {
        let places = try map("sock_origin").entries(key: UInt32.self, value: origin.self)
        return places.count { $0.value.owners != 0 || $0.value.cookie != 0 }
    }

    /// Gives every place to a socket that does not exist.
    func takeEveryPlace() throws {
        var taken = origin()
        (taken.cookie, taken.owners) = (.max, 1)
        let keys = Array(0..<UInt32(LB_ORIGINS))
        let values = [origin](repeating: taken, count: keys.count)
        try map("sock_origin").updateBatch(keys: keys, values: values).check()
    }
}
