import BPFLoader
import DatapathInstall
import Glibc
import Logging
import Settings
import SystemPackage

/// The rights of this process: what it takes up with those that it was started with, and which of them it keeps.
enum ProcessRights {
    /// Does what needs more rights than the daemon keeps, as far as this process has them, and gives up the rest.
    ///
    /// Capabilities are a thread's, so this must come before the process starts a second one.
    static func settle(_ settings: Configuration, log: Logger) throws {
        // A cgroup that is none must not be found out after anything was made.
        _ = try settings.cgroup()
        let given = ThreadCapabilities.effective
        OOMScore.adjust(to: settings.oomScoreAdjustment, log: log)
        OpenFiles.allowMany()
        let kept = try NeededRights.kept(of: given, settings)
        if settings.kubeProxyReplacement {
            LockedMemory.allowAll()
            if geteuid() == 0, given.contains(.changeOwner) { try prepare(settings) }
        }
        let dropped = try ThreadCapabilities.keepOnly(
            kept, reserved: NeededRights.reserved(of: given, settings).subtracting(kept))
        log.info(
            "dropped privileges",
            metadata: [
                "user": "\(geteuid())", "capabilities": "\(ThreadCapabilities.effective.names.joined(separator: ","))",
                "reserved": "\(ThreadCapabilities.reserved.names.joined(separator: ","))",
                "givenUp": "\(dropped.numbers.count)",
            ])
        for lack in lacking(settings) { log.notice("a capability is missing", metadata: ["lack": "\(lack)"]) }
    }

    /// Root by hand: after a daemon that ran as another user, its pins are root's again. Its state is not: without the
    /// cache the daemon works too, and says so.
    private static func prepare(_ settings: Configuration) throws {
        // A second daemon must not take anything away from the first.
        let directory = RunDirectory(bpfRoot: settings.bpfRoot)
        if let holder = directory.holder { throw InstanceLock.isHeld(directory, by: holder) }
        _ = try Preparation(bpfRoot: settings.bpfRoot, stateDirectory: nil, owner: .current).run()
    }

    /// What does not work with the rights that there are, each with what to do about it.
    static func lacking(_ settings: Configuration) -> [String] {
        var lacking: [String] = []
        if settings.kubeProxyReplacement, let lack = LockedMemory.lack { lacking.append(lack) }
        return lacking
    }
}

extension Daemon {
    /// Does what comes before the process has a second thread: from here on it has no more rights than it needs.
    package func settled() throws -> Daemon {
        var daemon = self
        sayHello()
        // What shows the rules of kube-proxy may need more of them than are kept.
        if settings.kubeProxyReplacement { daemon.kubeProxy = lookForKubeProxy() }
        try ProcessRights.settle(settings, log: log)
        return daemon
    }
}

extension Configuration {
    /// The cgroup whose processes are served; throws if it is none.
    func cgroup() throws -> FilePath {
        let cgroup = try cgroupRoot ?? CgroupFileSystem.root()
        _ = try CgroupFileSystem.id(of: cgroup)
        return cgroup
    }
}

extension DaemonReport {
    /// With what rights the daemon runs.
    package struct Rights: Codable, Sendable, Hashable {
        package var user: UInt32
        /// `CAP_BPF` and so on.
        package var capabilities: [String]
        /// Those that have no effect but in a thread that enters the namespaces of pods.
        package var reserved: [String]
        /// What does not work for want of others, and what to do.
        package var lacking: [String]

        init(_ settings: Configuration) {
            user = geteuid()
            capabilities = ThreadCapabilities.effective.names
            reserved = ThreadCapabilities.reserved.names
            lacking = ProcessRights.lacking(settings)
        }
    }
}
