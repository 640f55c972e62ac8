import KubernetesAPI
import KubernetesObjects
import ManifestDirectory
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
