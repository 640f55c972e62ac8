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

/// A routed topology with echo pods and the services of `RoutedService.all`.
///
/// A class because the tests of a suite share it.
final class RoutedNode: Sendable {
    let topology: RoutedTopology
    private let pods: [RunningProcess]
    private let datapath: AttachedDatapath?
    private let daemon: RoutedDaemon?
    /// With the policy Cluster pods of this node see the client, where replies pass by our programs anyway. Behind
    /// programs on their own devices they see the node, as with kube-proxy; a way that leads over a bridge passes none.
    let localPodsSeeClient: Bool
    /// Whether pods are seen as they are at the doors for clients outside too.
    let podsKeepAddress: Bool

    init(_ proxy: Proxy, _ network: RoutedTopology.PodNetwork, clientMTU: Int? = nil) throws {
        topology = try RoutedTopology(network, clientMTU: clientMTU)
        pods = try (topology.pods + topology.otherPods).map { pod in
            let arguments = [Programs.lab, "serve", "--name", pod.name, "--tcp", "8080", "--udp", "8080"]
            return try RunningProcess(arguments, in: pod.namespace.path)
        }
        for pod in pods { _ = try pod.readLine() }
        podsKeepAddress = proxy != .nftables
        let manifests = [Manifest.node] + RoutedService.all.map(\.manifest)
        switch proxy {
        case .nftables:
            (datapath, daemon, localPodsSeeClient) = (nil, nil, false)
            try loadRules()
        case .datapath:
            datapath = try AttachedDatapath(to: topology, manifests: manifests.joined(separator: "\n---\n"))
            (daemon, localPodsSeeClient) = (nil, false)
        case .daemon:
            daemon = try RoutedDaemon(in: topology.node.path, manifests: manifests.joined(separator: "\n---\n"))
            (datapath, localPodsSeeClient) = (nil, false)
        }
    }

    deinit {
        daemon?.end()
        for pod in pods { _ = try? pod.terminate() }
    }

    /// How often something was counted; nil where nobody counts.
    func count(of reason: String) throws -> UInt64? {
        if let datapath { return try datapath.counters()[reason] ?? 0 }
        guard let daemon else { return nil }
        return try daemon.status().counters[reason].map { UInt64($0) } ?? 0
    }

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

    private func loadRules() throws {
        for family in IPVersion.allCases {
            let services = try RoutedService.all.map { try $0.rule(family) }
            try NftablesRules(services, clusterRange: family.podRange, nodeAddresses: [family.node])
                .load(in: topology.node.path)
        }
    }

    // MARK: Clients

    /// `swiftlet-lab call` beyond the router; the first of its addresses unless another one is bound.
    func call(_ door: String, _ options: String...) throws -> CallReport {
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

/// A topology for each proxy and way of wiring, made before the first test of the suite that asks for it.
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

/// The topologies of a suite, by who translates.
final class RoutedNodes: Sendable {
    private let network: RoutedTopology.PodNetwork
    private let clientMTU: Int?
    private let nodes = Mutex<[Proxy: RoutedNode]>([:])

    init(_ network: RoutedTopology.PodNetwork, clientMTU: Int?) {
        self.network = network
        self.clientMTU = clientMTU
    }

    func node(_ proxy: Proxy) throws -> RoutedNode {
        try nodes.withLock { nodes in
            if let node = nodes[proxy] { return node }
            let node = try RoutedNode(proxy, network, clientMTU: clientMTU)
            nodes[proxy] = node
            return node
        }
    }
}

extension RoutedNode {
    @TaskLocal fileprivate static var scoped: RoutedNodes?

    /// The topology of the suite that the calling test belongs to.
    static func current(_ proxy: Proxy) throws -> RoutedNode {
        guard let scoped else { throw TestFailure("the suite has no .routed trait") }
        return try scoped.node(proxy)
    }
}
