import FoundationEssentials
import KubernetesAPI
package import KubernetesObjects
import ManifestDirectory
import NodeNetwork
package import ServiceModel
import Settings
import SystemPackage

extension ClusterAccess {
    /// How to reach the API servers with these settings.
    ///
    /// The credentials are those of the kubeconfig, or else of the pod's service account where there is one. Without
    /// either only an API server that asks for none can be reached, as with kube-proxy's `--master`.
    func connection(in pod: PodEnvironment, environment: [String: String]) throws -> APIConnection {
        let addresses = try apiServers.map { address throws(KubernetesError) in try APIAddress(address) }
        if let kubeconfig {
            let document = try YAMLFile.document(at: kubeconfig.string, as: "kubeconfig")
            return try Kubeconfig(document, file: kubeconfig.string).connection(context: context)
                .with(addresses: addresses)
        }
        guard pod.hasServiceAccount || addresses.isEmpty else { return APIConnection(addresses: addresses) }
        return try InClusterConfiguration.connection(environment: environment, addresses: addresses)
    }

    /// For `status` and logs: where the settings come from, without credentials.
    var shown: String {
        let named = apiServers.joined(separator: ", ")
        if let kubeconfig { return named.isEmpty ? "kubeconfig \(kubeconfig)" : "kubeconfig \(kubeconfig) at \(named)" }
        return named.isEmpty ? "the pod's service account" : named
    }
}

extension Configuration {
    /// How to reach the API servers; nil if the Services come from somewhere else.
    func connection(of source: StateSource) throws -> APIConnection? {
        guard case .cluster(let access) = source else { return nil }
        return try access.connection(in: .current, environment: ProcessInfo.processInfo.environment)
    }

    /// Reads everything once: the manifests, or the lists of the cluster.
    package func listOnce() async throws -> (events: [ClusterEvent], problems: [StateProblem]) {
        let source = try source()
        if let connection = try connection(of: source) {
            let batch = try await KubernetesSource.snapshot(
                connection, nodeName: nodeName, proxyName: node.proxyName, time: .real)
            return (batch.events, batch.problems)
        }
        return ManifestLoader.load(directories: manifests, nodePorts: packets.nodePortRange.closedRange)
    }
}

extension Timekeeper {
    /// This machine's clocks and chance.
    static let real = Timekeeper(
        ContinuousClock(), wallClock: { Date().timeIntervalSince1970 }, chance: { Double.random(in: 0..<1) })
}
