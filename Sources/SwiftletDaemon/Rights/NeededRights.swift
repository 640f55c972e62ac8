import Glibc
import NameServer
import ServiceModel
import Settings

/// What a daemon needs beyond the rights of its user; docs/security.md says more.
enum NeededRights {
    private static let purposes: [(capability: Capability, purpose: String)] = [
        (.bpf, "to make maps and to load programs"),
        (.networkAdministration, "to attach programs to cgroups and devices"),
        (.performanceMonitoring, "for programs that calculate with pointers"),
    ]

    /// What takes a thread into the network namespaces of pods: the one to enter, the other to find them.
    private static let intoNamespaces: [Capability] = [.systemAdministration, .systemPtrace]

    /// Which of the given capabilities the daemon keeps, without effect, for a thread of a moment that takes them up.
    static func reserved(of given: CapabilitySet, _ settings: Configuration) -> CapabilitySet {
        let entersNamespaces =
            settings.kubeProxyReplacement && settings.socketDestroy.whose == .full && settings.sockets != .host
        return entersNamespaces ? given.intersection(CapabilitySet(intoNamespaces)) : []
    }

    /// Which of the given capabilities the daemon keeps and uses.
    ///
    /// - Throws: an error that names all that is missing, so that one correction is enough.
    static func kept(of given: CapabilitySet, _ settings: Configuration) throws(DaemonError) -> CapabilitySet {
        let ports = portRights(of: given, settings)
        // An observer touches nothing.
        guard settings.kubeProxyReplacement else { return ports }
        let missing = purposes.filter { !given.contains($0.capability) }
        if missing.isEmpty { return CapabilitySet(purposes.map(\.capability)).union(ports) }
        // A container runtime that does not know the new ones has the old one that stood for them before kernel 5.8.
        if given.contains(.systemAdministration), given.contains(.networkAdministration) {
            return given.intersection(CapabilitySet(purposes.map(\.capability) + [.systemAdministration])).union(ports)
        }
        let lacks = missing.map { "\($0.capability.name) (\($0.purpose))" }.joined(separator: " and ")
        throw DaemonError(
            .missingRights,
            "cannot start: user \(geteuid()) lacks \(lacks); run as root, or add it to AmbientCapabilities= and "
                + "CapabilityBoundingSet= of the unit, or to securityContext.capabilities.add of the container")
    }

    /// To listen on the port of DNS, each time that its address comes back. A kernel may be told that none is needed
    /// (net.ipv4.ip_unprivileged_port_start), so that its absence is no error.
    private static func portRights(of given: CapabilitySet, _ settings: Configuration) -> CapabilitySet {
        settings.names.bind.contains { $0.port < 1024 } ? given.intersection(CapabilitySet([.bindService])) : []
    }
}
