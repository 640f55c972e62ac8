/// What a pod finds of its cluster's API: the service account's files and two variables.
package struct InClusterConfiguration {
    package static let directory = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// The connection of the pod's service account.
    ///
    /// The address is the one of Service `default/kubernetes`, which a replacement of kube-proxy must make work first:
    /// name the API servers with `--apiserver` where nothing else translates it.
    /// - Parameter addresses: used instead of the environment's if there are any.
    package static func connection(
        environment: [String: String], addresses: [APIAddress] = [], directory: String = directory
    ) throws(KubernetesError) -> APIConnection {
        let advice = "run in a pod with a service account, or give --kubeconfig"
        var addresses = addresses
        if addresses.isEmpty {
            guard let host = environment["KUBERNETES_SERVICE_HOST"], let port = environment["KUBERNETES_SERVICE_PORT"]
            else {
                throw .configuration("the pod's service account", "KUBERNETES_SERVICE_HOST is not set", advice)
            }
            addresses = [try APIAddress("https://\(host.contains(":") ? "[\(host)]" : host):\(port)")]
        }
        // Both files are read again before each request; that they are there at all is looked at now.
        for file in ["token", "ca.crt"] { _ = try readFile("\(directory)/\(file)", as: "service account", advice) }
        return APIConnection(
            addresses: addresses, authority: .file("\(directory)/ca.crt"),
            credentials: Credentials(tokenFile: "\(directory)/token"))
    }
}
