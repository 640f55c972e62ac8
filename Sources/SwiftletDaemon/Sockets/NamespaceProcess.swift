import DatapathInstall
import Glibc
import ServiceModel
import SocketDestroy
package import SystemPackage

/// What `swiftlet namespaces` does: it enters network namespaces for a daemon that may not (docs/security.md).
package enum NamespaceProcess {
    private static let purposes: [(capability: Capability, purpose: String)] = [
        (.systemAdministration, "to enter network namespaces"),
        (.systemPtrace, "to find them, and the sockets in them"),
    ]

    /// Serves until it is ended.
    ///
    /// Capabilities are a thread's, so this must come before the process starts a second one.
    /// - Parameter say: a line for people.
    package static func run(bpfRoot: FilePath, say: (String) -> Void) throws {
        let given = ThreadCapabilities.effective
        let missing = purposes.filter { !given.contains($0.capability) }
        guard missing.isEmpty else {
            let lacks = missing.map { "\($0.capability.name) (\($0.purpose))" }.joined(separator: " and ")
            throw DaemonError(
                .missingRights,
                "cannot start: user \(geteuid()) lacks \(lacks); add it to securityContext.capabilities.add of the container, "
                    + "or to AmbientCapabilities= of the unit")
        }
        let directory = RunDirectory(bpfRoot: bpfRoot)
        try directory.create()
        // The third is for kernels before 6.5, which destroy sockets by netlink.
        let kept = given.intersection(CapabilitySet(purposes.map(\.capability) + [.networkAdministration]))
        _ = try ThreadCapabilities.keepOnly(kept, reserved: [])
        var lender = NamespaceLender(at: directory.namespaces, mayKill: kept.contains(.networkAdministration))
        try lender.run { say("ready: asked at \(directory.namespaces), with \(kept.names.joined(separator: ", "))") }
    }
}
