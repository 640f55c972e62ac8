import ConnectBenchmark
import NetworkLab
import ServiceMaps

/// How a client reaches a backend beyond a node that routes.
package enum RoutedWay: String, CaseIterable, Codable, Sendable {
    /// To the backend's own address, through a node without any Service.
    case direct
    /// The same once more: what its ratio differs from 1 is noise.
    case control
    /// To a NodePort; the backend is on another node.
    case swiftlet
    /// The same, with `--forwarding=redirect`.
    case redirect
    /// To a NodePort; the backend is a pod of the node, and our programs are on its device.
    case swiftletLocal
    /// To a NodePort of the rules that kube-proxy would write.
    case nftables
    /// To the backend's own address, past our programs.
    case passing
    /// To the backend's own address, past as many programs that do nothing: what the kernel itself takes to call them.
    case empty
    /// From the node itself to the backend's own address, past our programs.
    case own

    var isOurs: Bool { [.swiftlet, .redirect, .swiftletLocal].contains(self) }
    /// No Service's, and past our programs: none may fail.
    var isBystander: Bool { self == .passing || self == .own }

    /// At most so many times as long as a direct connect.
    var connectLimit: Double? {
        switch self {
        case .swiftlet, .swiftletLocal: 1.15
        case .redirect: 1.10
        case .passing: 1.035
        case .direct, .control, .nftables, .empty, .own: nil
        }
    }

    /// What the connect benchmark calls it.
    var kind: ConnectPath.Kind {
        switch self {
        case .direct: .direct
        case .control: .control
        case .swiftlet, .redirect: .vip
        case .swiftletLocal: .localVIP
        case .nftables: .nftables
        case .passing, .own: .passing
        case .empty: .empty
        }
    }
}

/// A backend that several nodes lead to.
///
/// ```
/// client 1 198.18.1.2-5 ── 198.18.1.1 eth0  node 1  eth1 10.250.1.1 ── 10.250.1.2 ─┐
/// client 2 198.18.2.2-5 ── 198.18.2.1 eth0  node 2  eth1 10.250.2.1 ── 10.250.2.2 ─┴─ backend, lo 10.244.0.11-14
/// ```
/// All links are alike: what differs is what a node does with packets.
final class RoutedBackend {
    static let port: UInt16 = 8080
    let namespace: NetworkNamespace
    fileprivate var chains = 0

    static func endpoints(_ family: IPVersion) -> [SocketAddress] {
        (11...14).map { family.address(244, 0, $0, port: port) }
    }

    init() throws {
        let namespace = try NetworkNamespace("backend")
        try namespace.set("ipv4/ip_forward", to: "0")
        for family in IPVersion.allCases {
            for endpoint in Self.endpoints(family) {
                try namespace.addAddress("\(endpoint.host)/\(family == .v4 ? 32 : 128)", to: "lo")
            }
        }
        self.namespace = namespace
    }

    /// One listener for all endpoints of both families.
    func listen(on port: UInt16 = RoutedBackend.port) throws -> Socket {
        let any = SocketAddress(address: [UInt8](repeating: 0, count: 16), port: port)
        return try namespace.run { try Socket.bound(.tcp, to: any, nonblocking: false) }
    }
}

/// A client and a node between it and the backend.
final class RoutedChain {
    let client: NetworkNamespace
    let node: NetworkNamespace
    private let number: Int
    private var attachments: [LabDatapath.Attachment] = []
    private(set) var datapath: LabDatapath?

    init(to backend: RoutedBackend) throws {
        backend.chains += 1
        let number = backend.chains
        let client = try NetworkNamespace("client-\(number)")
        let node = try NetworkNamespace("node-\(number)")
        try client.connect("eth0", to: node, "eth0")
        try node.connect("eth1", to: backend.namespace, "node-\(number)")
        try node.set("ipv4/ip_forward", to: "1")
        try node.set("ipv6/conf/all/forwarding", to: "1")
        for family in IPVersion.allCases {
            let length = family.prefixLength
            for source in Self.sources(number, family) { try client.addAddress("\(source.host)/\(length)", to: "eth0") }
            let outside = family.stranger(number, 1).host
            let (near, far) = (family.address(250, number, 1).host, family.address(250, number, 2).host)
            try node.addAddress("\(outside)/\(length)", to: "eth0")
            try node.addAddress("\(near)/\(length)", to: "eth1")
            try backend.namespace.addAddress("\(far)/\(length)", to: "node-\(number)")
            try client.ip("route", "add", "default", "via", outside)
            try node.ip("route", "add", "\(family.address(244, 0, 0).host)/\(length)", "via", far)
            try backend.namespace.ip(
                "route", "add", "\(family.stranger(number, 0).host)/\(length)", "via", near)
        }
        self.client = client
        self.node = node
        self.number = number
    }

    private static func sources(_ number: Int, _ family: IPVersion) -> [SocketAddress] {
        (2...5).map { family.stranger(number, $0) }
    }

    func sources(_ family: IPVersion) -> [SocketAddress] { Self.sources(number, family) }

    func services(_ count: Int, areLocal: Bool = false) -> BenchmarkServices {
        let number = number
        return BenchmarkServices(
            count: count, node: { $0.stranger(number, 1) }, endpoints: RoutedBackend.endpoints, areLocal: areLocal)
    }

    /// Has the programs at tc translate.
    func translate(_ services: BenchmarkServices, flows: UInt32, redirects: Bool = false) throws {
        let datapath = try LabDatapath(capacities: MapCapacities(flows: flows, possibleCPUs: 2), redirects: redirects)
        try datapath.serve(services.desired)
        attachments = try node.run {
            let outside = services.node
            try datapath.enter("eth0", v4: outside(.v4).address, v6: outside(.v6).address)
            let near = { (family: IPVersion) in family.address(250, self.number, 1).address }
            try datapath.enter("eth1", v4: near(.v4), v6: near(.v6))
            if services.areLocal {
                return try datapath.attach(.wire, to: "eth0") + datapath.attach(.pod, to: "eth1")
            }
            return try datapath.attach(.wire, to: "eth0") + datapath.attach(.wire, to: "eth1")
        }
        self.datapath = datapath
    }

    /// Has programs that do nothing in the places of those that translate.
    func callEmptyPrograms() throws {
        attachments = try node.run { try ["eth0", "eth1"].flatMap { try LabDatapath.attachNothing(to: $0) } }
    }

    /// Has netfilter track connections, as on a node whose firewall or CNI asks for their state.
    func trackConnections() throws {
        let rules = """
            table inet tracking {
              chain forward { type filter hook forward priority filter; ct state established,related accept; }
              chain output { type filter hook output priority filter; ct state established,related accept; }
            }

            """
        try Command.run(["nft", "-f", "-"], in: node.path, input: rules)
    }

    /// Has nftables translate.
    func load(_ services: BenchmarkServices) throws {
        for family in IPVersion.allCases { try services.rules(family).load(in: node.path) }
    }
}
