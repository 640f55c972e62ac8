import Glibc
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
        // Who only observes touches nothing.
        guard settings.kubeProxyReplacement else { return [] }
        let missing = purposes.filter { !given.contains($0.capability) }
        if missing.isEmpty { return CapabilitySet(purposes.map(\.capability)) }
        // A container runtime that does not know the new ones has the old one that stood for them before kernel 5.8.
        if given.contains(.systemAdministration), given.contains(.networkAdministration) {
            return given.intersection(CapabilitySet(purposes.map(\.capability) + [.systemAdministration]))
        }
        let lacks = missing.map { "\($0.capability.name) (\($0.purpose))" }.joined(separator: " and ")
        throw DaemonError(
            "cannot start: user \(geteuid()) lacks \(lacks); run as root, or add it to AmbientCapabilities= and "
                + "CapabilityBoundingSet= of the unit, or to securityContext.capabilities.add of the container")
    }
}
