import Glibc
import KubernetesAPI
import ServiceModel
import SystemPackage

/// Where Services and endpoints come from.
package enum StateSource: Sendable, Hashable {
    /// Directories of manifests.
    case manifests([String])
    case cluster(ClusterAccess)
}

/// What a process finds around it when it runs in a pod.
package struct PodEnvironment: Sendable {
    /// Host and port of the API server: `KUBERNETES_SERVICE_HOST` is set.
    package var namesAPIServer: Bool
    /// The files of a service account are there.
    package var hasServiceAccount: Bool

    static let serviceAccount = FilePath(InClusterConfiguration.directory)

    package init(namesAPIServer: Bool, hasServiceAccount: Bool) {
        self.namesAPIServer = namesAPIServer
        self.hasServiceAccount = hasServiceAccount
    }

    package static var current: PodEnvironment {
        let files = ["token", "ca.crt"].map { serviceAccount.appending($0) }
        return PodEnvironment(
            namesAPIServer: getenv("KUBERNETES_SERVICE_HOST").map { $0.pointee != 0 } ?? false,
            hasServiceAccount: files.allSatisfy { $0.withPlatformString { access($0, R_OK) } == 0 })
    }
}

extension Configuration {
    /// Where to read from: what was named, or else the cluster whose pod this is.
    package func source(in pod: PodEnvironment = .current) throws(ConfigurationError) -> StateSource {
        if !manifests.isEmpty { return .manifests(manifests) }
        if cluster.context != nil && cluster.kubeconfig == nil {
            throw ConfigurationError("cannot choose a context of no kubeconfig: name the file with --kubeconfig FILE")
        }
        if cluster.isNamed { return .cluster(cluster) }
        if pod.namesAPIServer && pod.hasServiceAccount { return .cluster(cluster) }
        let missing =
            pod.namesAPIServer
            ? "; this looks like a pod, but \(PodEnvironment.serviceAccount) has no token and ca.crt: "
                + "let it mount its service account" : ""
        throw ConfigurationError(
            "nothing to serve: name a directory with --manifests DIR, or a cluster with --kubeconfig FILE\(missing)")
    }

    /// What only shows when all layers are applied.
    package func check() throws(ConfigurationError) {
        try checkRanges(node.localTraffic.clusterCIDRs, of: "--cluster-cidr (clusterCIDR)")
        try checkRanges(packets.serviceCIDRs, of: "--service-cidr (serviceCIDR)")
        try names.check()
        let local = node.localTraffic
        switch local.mode {
        case .bridgeInterface where local.bridgeInterface.isEmpty:
            throw ConfigurationError(
                "cannot tell local traffic by its bridge: name it with --pod-bridge-interface (detectLocal.bridgeInterface)"
            )
        case .interfaceNamePrefix where local.interfaceNamePrefix.isEmpty:
            throw ConfigurationError(
                "cannot tell local traffic by its devices: name their prefix with --pod-interface-name-prefix "
                    + "(detectLocal.interfaceNamePrefix)")
        default: break
        }
    }

    /// What does not fit into the programs is not left out in silence.
    private func checkRanges(_ ranges: [CIDR], of setting: String) throws(ConfigurationError) {
        for family in IPFamily.allCases {
            let count = ranges.count { $0.family == family }
            guard count > PacketSettings.mostRanges else { continue }
            throw ConfigurationError(
                "cannot use \(count) IP\(family) ranges of \(setting): there is room for \(PacketSettings.mostRanges); "
                    + "join neighbours into larger ones")
        }
    }
}
