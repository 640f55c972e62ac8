import ConnectBenchmark
import Foundation
import NetworkLab
import Synchronization
import Testing

/// Who translates in the node of a routed topology.
enum Proxy: String, CaseIterable, Sendable {
    /// The rules that kube-proxy would write: the yardstick.
    case nftables
    /// swiftlet's programs at tc, attached by the test.
    case datapath
    /// `swiftlet run`, which finds the devices by itself; pods' devices are named to it.
    case daemon

    /// Those that this machine can have.
    static let available = allCases.filter { proxy in
        switch proxy {
        case .nftables: Prerequisites.hasNftables
        case .datapath: Prerequisites.hasTCX
        case .daemon: true
        }
    }

    /// Those whose programs see pods of one bridge: kube-proxy's rules need a module of the kernel for that.
    static let seesBridgedPods = available.filter { $0 != .nftables }
}

/// A proxy, and how it is told to forward.
struct Arrangement: Hashable, Sendable, CustomTestStringConvertible {
    var proxy: Proxy
    /// `--forwarding=redirect` in place of `stack`.
    var redirects = false
    /// `--pod-interfaces`: the devices of the node's pods have programs.
    var seesPods = true
    /// Places for flows of each family; nil: as many as there are by default.
    var flows: UInt32?

    /// The kernel tracks connections, as on a node where a CNI masquerades.
    var tracks = false
    /// What attaches the pods, in place of what the suite says.
    var plugin: PodPlugin?

    /// Each proxy in each of its ways, beside connection tracking: kube-proxy's rules know only one.
    static let all = Proxy.available.flatMap { proxy in
        guard proxy != .nftables else { return [Arrangement(proxy: proxy)] }
        return [false, true].flatMap { redirects in
            [false, true].map { Arrangement(proxy: proxy, redirects: redirects, seesPods: $0, tracks: true) }
        }
    }

    var testDescription: String {
        guard proxy != .nftables else { return proxy.rawValue }
        return "\(proxy.rawValue), \(redirects ? "redirect" : "stack"), pods \(seesPods ? "seen" : "not seen")"
    }
}

/// A routed topology with echo pods and the services of `RoutedService.all`.
///
/// A class because the tests of a suite share it.
final class RoutedNode: Sendable {
    let topology: RoutedTopology
    let arrangement: Arrangement
    private let servers: [RunningProcess]
    private let tracking: ForeignRules?
    private let datapath: AttachedDatapath?
    private let daemon: RoutedDaemon?
    /// With the policy Cluster pods of this node see the client, where replies pass by our programs anyway. Behind
    /// programs on their own devices they see the node, as with kube-proxy; a way that leads over a bridge passes none.
    let localPodsSeeClient: Bool
    /// Whether pods are seen as they are at the doors for clients outside too.
    let podsKeepAddress: Bool

    init(_ arrangement: Arrangement, _ network: RoutedTopology.PodNetwork, clientMTU: Int? = nil) throws {
        self.arrangement = arrangement
        topology = try RoutedTopology(network, clientMTU: clientMTU)
        let pods = try (topology.pods + topology.otherPods).map { pod in
            let arguments = [Programs.lab, "serve", "--name", pod.name, "--tcp", "8080", "--udp", "8080"]
            return try RunningProcess(arguments, in: pod.namespace.path)
        }
        // Each with its address: the answers to datagrams come from where they were asked.
        let client = topology.client.path
        let outside = try IPVersion.allCases.map { family in
            let arguments = ["serve", "--name", "outside", "--tcp", "9000", "--udp", "9000"]
            return try RunningProcess([Programs.lab] + arguments + ["--address", family.clients[0]], in: client)
        }
        servers = pods + outside
        for server in servers { _ = try server.readLine() }
        tracking = arrangement.tracks ? try .tracking(in: topology.node.path) : nil
        podsKeepAddress = arrangement.proxy != .nftables
        localPodsSeeClient = arrangement.proxy != .nftables && !arrangement.seesPods
        let manifests = Self.manifests(of: RoutedService.all)
        switch arrangement.proxy {
        case .nftables:
            (datapath, daemon) = (nil, nil)
        case .datapath:
            datapath = try AttachedDatapath(to: topology, arrangement, manifests: manifests)
            daemon = nil
        case .daemon:
            daemon = try RoutedDaemon(in: topology.node.path, arrangement, network, manifests: manifests)
            datapath = nil
        }
        if arrangement.proxy == .nftables { try loadRules(RoutedService.all) }
    }

    deinit {
        daemon?.end()
        for server in servers { _ = try? server.terminate() }
    }

    private static func manifests(of services: [RoutedService]) -> String {
        ([Manifest.node] + services.map(\.manifest)).joined(separator: "\n---\n")
    }

    /// Serves these in place of what is served. A daemon takes them up a moment later.
    func serve(_ services: [RoutedService]) throws {
        switch arrangement.proxy {
        case .nftables: try loadRules(services)
        case .datapath: try datapath?.serve(manifests: Self.manifests(of: services))
        case .daemon: try daemon?.serve(manifests: Self.manifests(of: services))
        }
    }

    /// How often something was counted; nil where nobody counts.
    func count(of reason: String) throws -> UInt64? {
        if let datapath { return try datapath.counters()[reason] ?? 0 }
        guard let daemon else { return nil }
        return try daemon.status().counters[reason].map { UInt64($0) } ?? 0
    }

    /// What the daemon says, where there is one.
    func status() throws -> StatusReport? { try daemon?.status() }

    /// How many packets were answered with a refusal; nil where nobody counts.
    func refusals() throws -> UInt64? {
        try count(of: "answer_reset").flatMap { resets in
            try count(of: "answer_unreachable").map { $0 + resets }
        }
    }

    /// Off: every sender cuts what it sends into packets that fit, and writes complete checksums.
    func setOffload(_ isOn: Bool) throws {
        try topology.client.setOffload(isOn, of: "eth0")
        try topology.node.setOffload(isOn, of: "eth0")
        try topology.otherNode.setOffload(isOn, of: "eth0")
        for pod in topology.pods + topology.otherPods { try pod.namespace.setOffload(isOn, of: "eth0") }
    }

    private func loadRules(_ services: [RoutedService]) throws {
        for family in IPVersion.allCases {
            let rules = try services.map { try $0.rule(family) }
            try NftablesRules(rules, clusterRange: family.podRange, nodeAddresses: [family.node])
                .load(in: topology.node.path)
        }
    }

    // MARK: Clients

    /// `swiftlet-lab call` beyond the router; the first of its addresses unless another one is bound.
    func call(_ door: String, _ options: String...) throws -> CallReport {
        try call(door, options: options)
    }

    func call(_ door: String, options: [String]) throws -> CallReport {
        try Programs.decode(from: [Programs.lab, "call", door] + options, in: topology.client.path)
    }

    /// `swiftlet-lab call` in a pod of the node under test, or on that node itself, whose sockets nobody translates.
    func call(fromPod number: Int?, _ door: String, _ options: String...) throws -> CallReport {
        try call(fromPod: number, door, options: options)
    }

    func call(fromPod number: Int?, _ door: String, options: [String]) throws -> CallReport {
        let namespace = number.map { topology.pods[$0 - 1].namespace.path } ?? topology.node.path
        return try Programs.decode(from: [Programs.lab, "call", door] + options, in: namespace)
    }

    /// `swiftlet-lab call` on the node under test, by sockets that the daemon's hooks serve where there is one.
    func callFromNode(_ door: String, options: [String]) throws -> CallReport {
        try Programs.decode(
            from: [Programs.lab, "call", door] + options, in: topology.node.path, cgroup: daemon?.cgroupPath)
    }

    /// `swiftlet-lab call` in a pod whose sockets the daemon's hooks serve.
    func callFromHookedPod(_ number: Int, _ door: String, options: [String]) throws -> CallReport {
        try Programs.decode(
            from: [Programs.lab, "call", door] + options, in: topology.pods[number - 1].namespace.path,
            cgroup: daemon?.cgroupPath)
    }

    /// `swiftlet-lab hold` beyond the router.
    func hold(_ door: String, _ options: String...) throws -> RunningProcess { try hold(door, options: options) }

    func hold(_ door: String, options: [String]) throws -> RunningProcess {
        try RunningProcess([Programs.lab, "hold", door] + options, in: topology.client.path, input: .pipe)
    }

    /// `swiftlet-lab stream` beyond the router.
    func stream(_ door: String, _ options: String...) throws -> StreamReport {
        try Programs.decode(from: [Programs.lab, "stream", door] + options, in: topology.client.path)
    }
}

struct StreamReport: Decodable, Sendable {
    var result: String
    var stage: String?
    var pod: String?
    var client: String?
    var bytes: Int
}

/// What `swiftlet-lab hold --brief` prints.
struct BriefReport: Decodable, Sendable {
    struct Summary: Decodable, Sendable {
        var ok: Int
        var failed: [String: Int]
        var spread: [String: Int]
        var clients: Int
    }

    var summary: Summary
}

/// A topology for each arrangement and way of wiring, made before the first test of the suite that asks for it.
struct RoutedTrait: SuiteTrait, TestScoping {
    var network: RoutedTopology.PodNetwork
    var clientMTU: Int?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing tests: @Sendable () async throws -> Void
    ) async throws {
        let nodes = RoutedNodes(network, clientMTU: clientMTU)
        try await RoutedNode.$scoped.withValue(nodes) { try await tests() }
    }
}

extension Trait where Self == RoutedTrait {
    static func routed(_ network: RoutedTopology.PodNetwork = .routed, clientMTU: Int? = nil) -> Self {
        RoutedTrait(network: network, clientMTU: clientMTU)
    }
}

/// The topologies of a suite, by what translates and how.
final class RoutedNodes: Sendable {
    private let network: RoutedTopology.PodNetwork
    private let clientMTU: Int?
    private let nodes = Mutex<[Arrangement: RoutedNode]>([:])

    init(_ network: RoutedTopology.PodNetwork, clientMTU: Int?) {
        self.network = network
        self.clientMTU = clientMTU
    }

    func node(_ arrangement: Arrangement) throws -> RoutedNode {
        try nodes.withLock { nodes in
            if let node = nodes[arrangement] { return node }
            let network = arrangement.plugin.map(RoutedTopology.PodNetwork.plugin) ?? network
            let node = try RoutedNode(arrangement, network, clientMTU: clientMTU)
            nodes[arrangement] = node
            return node
        }
    }
}

extension RoutedNode {
    @TaskLocal fileprivate static var scoped: RoutedNodes?

    /// The topology of the suite that the calling test belongs to.
    static func current(_ proxy: Proxy) throws -> RoutedNode { try current(Arrangement(proxy: proxy)) }

    static func current(_ arrangement: Arrangement) throws -> RoutedNode {
        guard let scoped else { throw TestFailure("the suite has no .routed trait") }
        return try scoped.node(arrangement)
    }
}
