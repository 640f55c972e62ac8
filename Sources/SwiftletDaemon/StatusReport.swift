import BPFLoader
package import DatapathInstall
import FoundationEssentials
import Glibc
import Observability
import ServiceMaps
import ServiceModel
import Settings
import SystemPackage
import SystemCalls

/// What `swiftlet status` prints: the kernel's own word on hooks and maps, a probe through a real hook, and what a
/// running daemon says of itself.
package struct StatusReport: Codable, Sendable {
    package struct Hook: Codable, Sendable {
        package var name: String
        package var program: String?
        package var programID: UInt32?
        package var linkID: UInt32?
        package var isAttached: Bool
        /// Programs of others on the same hook of the same cgroup, in the order in which they run.
        package var foreign: [String]
    }

    package struct Feature: Codable, Sendable {
        package var name: String
        package var since: String
        package var isPresent: Bool
        /// What is lost without it.
        package var cost: String?
    }

    package struct MapFill: Codable, Sendable {
        package var name: String
        package var entries: Int
        package var capacity: Int
        /// Kernel memory in bytes.
        package var memory: Int
    }

    /// Raised by a change that could surprise a reader.
    package var schema = 1
    package var kernel: String
    package var bpfRoot: String
    package var cgroupRoot: String
    package var daemon: DaemonReport?
    package var hooks: [Hook]
    package var probe: HookProbe.Outcome
    package var features: [Feature]
    package var maps: [MapFill]
    package var counters: [String: UInt64]
    /// What is in our directories on bpffs and should not be there.
    package var pins: [String]
    package var draining: [DrainingBackend]
    /// What of a kube-proxy is here too, or was; nil if nothing is known of one.
    package var kubeProxy: String?
    /// The daemon answers names of Services, or one that is gone did; nil of a report before there were any.
    package var hasNames: Bool?
    /// What a person must act on; empty when all is well.
    package var degraded: [String]
}

extension StatusReport {
    /// Looks at the datapath that is pinned; nil when there is none.
    ///
    /// - Parameter daemon: what the daemon says of itself, if one answers.
    package static func collect(pins: DatapathPins, daemon: DaemonReport?) throws -> StatusReport? {
        let directory = RunDirectory(bpfRoot: pins.root)
        if let daemon, !daemon.kubeProxyReplacement { return observing(daemon, pins) }
        do {
            return try collect(pins, daemon, directory)
        } catch let error as BPFError where error.cause == .noSuchFileOrDirectory {
            // What another version has pinned is not for us to read.
            let isOther = try DatapathPins.versions(at: pins.root).contains { $0.number != pins.number }
            if let daemon, !isOther { return try unseen(daemon, pins, error) }
            if try pins.openIfPinned(ServiceMap.services4.rawValue) == nil { return nil }
            throw error
        }
    }

    private static func collect(
        _ pins: DatapathPins, _ daemon: DaemonReport?, _ directory: RunDirectory
    ) throws -> StatusReport {
        let cgroup = try daemon.map { FilePath($0.cgroupRoot) } ?? attachedCgroup(pins) ?? CgroupFileSystem.root()
        let programmed = try ProgrammedState.read(from: BPFMapStore(pins: pins))
        let kernel = try KernelFeatures.probe()
        var report = StatusReport(
            kernel: kernel.release, bpfRoot: pins.root.string, cgroupRoot: cgroup.string, daemon: daemon,
            hooks: try wantedHooks(pins, daemon).map { try hook($0, pins: pins, cgroup: cgroup) }, probe: .nothingToAsk,
            features: features(kernel), maps: try MapInspection.fill(of: pins),
            counters: try MapInspection.counters(of: pins), pins: try PinSurvey(of: pins).findings,
            draining: try DrainingBackend.list(
                of: programmed, pins: pins, timeouts: daemon?.flowTimeouts ?? FlowTimeouts()),
            degraded: [])
        report.daemon?.programmed = programmed.totals
        report.hasNames =
            programmed.ports.contains { $0.name?.service == NameSettings.service }
            || directory.names.withPlatformString { access($0, F_OK) } == 0
        report.probe =
            daemon?.leavesTCPToPackets == true || report.hooks.isEmpty
            ? .leftToPackets : probe(programmed.vips.keys, cgroup: cgroup, daemon == nil ? nil : directory)
        report.kubeProxy = KubeProxyTraces.find(directory.archive).summary
        report.degraded = report.complaints(lockHolder: directory.holder)
        return report
    }

    /// None where sockets are left to packets, as the daemon says or, when it is gone, what it has left: programs on devices,
    /// and no hook.
    private static func wantedHooks(_ pins: DatapathPins, _ daemon: DaemonReport?) -> [CgroupAttachType] {
        let hooks = pins.shownHooks
        if let choice = daemon?.socketLB { return choice == SocketService.off.rawValue ? [] : hooks }
        let isAnyPinned = hooks.contains { pins.link($0).exists }
        return isAnyPinned || !pins.hasDeviceLinks ? hooks : []
    }

    /// Of a daemon that programs nothing there is no datapath to look at.
    private static func observing(_ daemon: DaemonReport, _ pins: DatapathPins) -> StatusReport {
        let kernel = try? KernelFeatures.probe()
        return StatusReport(
            kernel: kernel?.release ?? "unknown", bpfRoot: pins.root.string, cgroupRoot: daemon.cgroupRoot,
            daemon: daemon, hooks: [], probe: .nothingToAsk, features: kernel.map(features) ?? [], maps: [],
            counters: [:], pins: [], draining: [],
            degraded: [])
    }

    /// All that can be said when a daemon runs and pins are missing: what it says itself.
    private static func unseen(_ daemon: DaemonReport, _ pins: DatapathPins, _ error: BPFError) throws -> StatusReport {
        let kernel = try KernelFeatures.probe()
        var report = StatusReport(
            kernel: kernel.release, bpfRoot: pins.root.string, cgroupRoot: daemon.cgroupRoot, daemon: daemon, hooks: [],
            probe: .nothingToAsk, features: features(kernel), maps: [], counters: [:], pins: [], draining: [],
            degraded: [])
        report.degraded =
            ["process \(daemon.pid) serves, and not all of it can be seen: \(error)"]
            + report.complaints(lockHolder: nil)
        return report
    }

    /// Asks a VIP of each family, which have hooks of their own; the first answer that is not good counts.
    /// The daemon tries, where it can, and else this process.
    ///
    /// - Parameter directory: the daemon's; nil where it did not answer.
    private static func probe(
        _ vips: some Sequence<IPAddress>, cgroup: FilePath, _ directory: RunDirectory?
    ) -> HookProbe.Outcome {
        var outcome = HookProbe.Outcome.nothingToAsk
        for family in IPFamily.allCases {
            guard let vip = vips.filter({ $0.family == family }).min() else { continue }
            outcome =
                directory.flatMap { ControlClient.ask(probe: vip, at: $0) } ?? HookProbe.run(cgroup: cgroup, vip: vip)
            if outcome != .effective { return outcome }
        }
        return outcome
    }

    /// The cgroup that the pinned links are attached to; nil when it cannot be found.
    private static func attachedCgroup(_ pins: DatapathPins) throws -> FilePath? {
        let root = try CgroupFileSystem.root()
        // A link that was detached, or whose pin was removed, leads nowhere; the others still tell.
        return DatapathPins.hooks.lazy
            .compactMap { try? CgroupLink(pinnedAt: pins.link($0)).info }
            .filter(\.isAttached)
            .compactMap { findCgroup($0.cgroupID, from: root) }.first
    }

    /// Looks at a directory and all below it; one that vanishes meanwhile is passed over.
    private static func findCgroup(_ id: UInt64, from directory: FilePath) -> FilePath? {
        // A file has a number of its own, and nothing below it.
        if (try? CgroupFileSystem.id(of: directory)) == id { return directory }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.string)) ?? []
        return names.lazy.compactMap { findCgroup(id, from: directory.appending($0)) }.first
    }

    private static func hook(_ hook: CgroupAttachType, pins: DatapathPins, cgroup: FilePath) throws -> Hook {
        let link = try? CgroupLink(pinnedAt: pins.link(hook))
        let info = try link?.info
        let attached = (try? CgroupQuery.programs(on: cgroup, at: hook)) ?? []
        let ours = info.flatMap { info in attached.first { $0.id == info.programID } }
        // The kernel cuts names, and tells them to root alone.
        let name = "swl_\(hook)"
        let program = ours.map { $0.name.map { name.hasPrefix($0) ? name : $0 } ?? name }
        let foreign = attached.filter { $0.id != info?.programID }.map { "\($0.name ?? "?") (id \($0.id))" }
        return Hook(
            name: "\(hook)", program: program, programID: info?.programID, linkID: info?.id,
            isAttached: info?.isAttached == true && ours != nil, foreign: foreign)
    }

    private static func features(_ kernel: KernelFeatures) -> [Feature] {
        KernelFeature.allCases.compactMap { feature in
            guard let cost = feature.costWhenMissing else { return nil }
            let isPresent = kernel.has(feature)
            return Feature(
                name: feature.name, since: feature.since, isPresent: isPresent, cost: isPresent ? nil : cost)
        }
    }

    /// Names end with the process that answers.
    private var namesAreMissed: String { hasNames == true ? ", and names of Services are not answered" : "" }

    /// Everything that is not as it should be, each with what to do. A kernel's missing features are no complaint: they
    /// are listed with what they cost.
    private func complaints(lockHolder: Int32?) -> [String] {
        var complaints: [String] = []
        if daemon == nil {
            complaints.append(
                lockHolder.map { "the daemon (process \($0)) does not answer; look at its log" }
                    ?? "no daemon runs: Services work as they were, changes are not followed\(namesAreMissed); "
                    + "start `swiftlet run`")
        }
        let optional = Set(["\(CgroupAttachType.bind4)", "\(CgroupAttachType.bind6)"])
        for hook in hooks where !hook.isAttached && !(optional.contains(hook.name) && hook.linkID == nil) {
            complaints.append("\(hook.name) is not attached to \(cgroupRoot); restart `swiftlet run`")
        }
        switch probe {
        case .effective: break
        // It may be well, and this process is not to tell.
        case .nothingToAsk, .leftToPackets, .notPermitted: break
        case .ineffective:
            complaints.append(
                "the hooks are not effective: a probe below \(cgroupRoot) was not translated; "
                    + "check that --cgroup-root is the cgroup2 hierarchy that processes are in")
        case .failed: complaints.append("the probe below \(cgroupRoot) could not run; run status as root")
        }
        complaints += maps.compactMap(\.complaint)
        complaints += (daemon?.pending ?? []).map(Reason.notProgrammed)
        complaints += (daemon?.problems ?? []).map(UnseenHolder.named)
        return complaints
    }
}

extension StatusReport.MapFill {
    /// What a person must know of it: there is hardly any room, and that is not how it works.
    var complaint: String? {
        // A map with a single place is one that is switched off.
        guard let about = ServiceMap(rawValue: name)?.about, !about.isFullByNature, capacity > 1,
            entries * 10 > capacity * 9
        else { return nil }
        return "\(name) is \(entries * 100 / capacity) % full; "
            + (about.size.flag.map { "raise --map-memory-limit, or `swiftlet cleanup` and \($0)" }
                ?? "see `swiftlet maps`")
    }
}

extension ProgrammedState {
    var totals: DaemonReport.Totals {
        var totals = DaemonReport.Totals()
        let named = ports.filter { !$0.frontends.isEmpty }
        totals.services = Set(named.compactMap(\.name?.service)).count
        totals.servicePorts = named.count
        totals.frontends = named.reduce(0) { $0 + $1.frontends.count }
        totals.backends = named.reduce(0) { $0 + $1.backends.count }
        return totals
    }
}
