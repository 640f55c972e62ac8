import BPFLoader
import KubernetesObjects
import ManifestDirectory
import NetworkLab
import PacketBenchmark
import ServiceMaps
import ServiceModel

/// The programs at tc on the devices of a node, with the Services of manifests.
///
/// A class only because an optional of a noncopyable value cannot be a stored constant of one. What it attached goes
/// with it.
final class AttachedDatapath: Sendable {
    private let datapath: LabDatapath
    private let links: [LabDatapath.Attachment]

    /// Attaches to eth0 as the way to the network, and to each pod's device if pods are seen.
    init(to topology: borrowing RoutedTopology, _ arrangement: Arrangement, manifests: String) throws {
        let capacities = MapCapacities(
            services: 1_024, slots: 1_024, backends: 1_024, sourceRanges: 1_024, affinity: 1_024,
            flows: arrangement.flows ?? 32_768, possibleCPUs: 2)
        let datapath = try LabDatapath(capacities: capacities, redirects: arrangement.redirects)
        let pods = arrangement.seesPods ? topology.pods.map(\.name) : []
        links = try topology.node.run {
            let (v4, v6) = try (
                IPVersion.v4.address(RoutedTopology.node4, 0).address,
                IPVersion.v6.address(RoutedTopology.node6, 0).address
            )
            try datapath.enter("eth0", v4: v4, v6: v6)
            try datapath.enter(nil, v4: v4, v6: v6)
            for pod in pods { try datapath.enter(pod, v4: v4, v6: v6) }
            return try datapath.attach(.wire, to: "eth0") + pods.flatMap { try datapath.attach(.pod, to: $0) }
        }
        self.datapath = datapath
        try serve(manifests: manifests)
    }

    func serve(manifests: String) throws { try datapath.serve(try Self.services(of: manifests)) }

    /// What the parts that the daemon is made of read in manifests.
    private static func services(of manifests: String) throws -> [DesiredService] {
        let (events, problems) = ManifestLoader.load(text: manifests)
        guard !problems.contains(where: \.isRefusal) else { throw TestFailure("the manifests are wrong: \(problems)") }
        var state = ClusterState(ownNode: Manifest.nodeName)
        let dirty = state.apply(events)
        let node = NodeConfiguration(
            NodeSettings(name: Manifest.nodeName), node: state.node(named: Manifest.nodeName), localAddresses: [])
        var compiler = Compiler()
        return compiler.update(dirty: dirty, state: state, node: node).upserts
    }

    /// How often each reason was counted that was counted at all, on all CPUs together.
    func counters() throws -> [String: UInt64] { try datapath.counters() }
}
