import ConnectBenchmark
import Foundation
import NetworkLab
import Testing

/// Who translates in the node of a routed topology.
enum Proxy: String, CaseIterable, Sendable {
    /// The rules that kube-proxy would write: the yardstick.
    case nftables
    /// swiftlet's programs at tc.
    case datapath
}

/// A routed topology with echo pods and the services of `RoutedService.all`.
///
/// A class because the tests of a suite share it.
final class RoutedNode: Sendable {
    let topology: RoutedTopology
    private let pods: [RunningProcess]
    let datapath: AttachedDatapath?

    init(_ proxy: Proxy, _ network: RoutedTopology.PodNetwork, clientMTU: Int? = nil) throws {
        topology = try RoutedTopology(network, clientMTU: clientMTU)
        pods = try (topology.pods + topology.otherPods).map { pod in
            let arguments = [Programs.lab, "serve", "--name", pod.name, "--tcp", "8080", "--udp", "8080"]
            return try RunningProcess(arguments, in: pod.namespace.path)
        }
        for pod in pods { _ = try pod.readLine() }
        switch proxy {
        case .nftables:
            datapath = nil
            try loadRules()
        case .datapath:
            let manifests = [Manifest.node] + RoutedService.all.map(\.manifest)
            datapath = try AttachedDatapath(to: topology, manifests: manifests.joined(separator: "\n---\n"))
        }
    }

    deinit {
        for pod in pods { _ = try? pod.terminate() }
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
        let namespace = number.map { topology.pods[$0 - 1].namespace.path } ?? topology.node.path
        return try Programs.decode(from: [Programs.lab, "call", door] + options, in: namespace)
    }

    /// `swiftlet-lab hold` beyond the router.
    func hold(_ door: String, _ options: String...) throws -> RunningProcess {
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

/// A topology for each way of wiring, made before the first test of the suite that shares it.
struct RoutedTrait: SuiteTrait, TestScoping {
    var proxy: Proxy
    var network: RoutedTopology.PodNetwork
    var clientMTU: Int?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing tests: @Sendable () async throws -> Void
    ) async throws {
        let node = try RoutedNode(proxy, network, clientMTU: clientMTU)
        try await RoutedNode.$scoped.withValue(node) { try await tests() }
    }
}

extension Trait where Self == RoutedTrait {
    static func routed(
        _ proxy: Proxy, _ network: RoutedTopology.PodNetwork = .routed, clientMTU: Int? = nil
    ) -> Self {
        RoutedTrait(proxy: proxy, network: network, clientMTU: clientMTU)
    }
}

extension RoutedNode {
    @TaskLocal fileprivate static var scoped: RoutedNode?

    /// The topology of the suite that the calling test belongs to.
    static var current: RoutedNode {
        get throws {
            guard let scoped else { throw TestFailure("the suite has no .routed trait") }
            return scoped
        }
    }
}
