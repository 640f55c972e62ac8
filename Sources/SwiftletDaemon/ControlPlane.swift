import BPFLoader
import Dispatch
import FoundationEssentials
import Glibc
import Logging
import KubernetesObjects
import ManifestDirectory
import ServiceMaps
import ServiceModel

/// The one who decides and writes: events in, maps out. See docs/architecture.md for the path through it.
actor ControlPlane {
    private let configuration: Configuration
    private let log: Logger
    private var state: ClusterState
    private var compiler = Compiler(keepsBackends: false)
    /// Nil when nothing is programmed.
    private var writer: ServiceMapWriter<BPFMapStore>?
    private var localAddresses = NodeAddresses.current()
    private var node: NodeConfiguration
    private var problems: Set<StateProblem> = []
    private var reportedConflicts: Set<Conflict> = []
    private var reportedFailures: Set<String> = []
    private var lastEventAt: Date?
    private var isReclaiming = false
    /// Nothing is pruned before the first complete list (spec 10).
    private var hasCompleteList = false

    init(_ configuration: Configuration, writer: consuming ServiceMapWriter<BPFMapStore>?, log: Logger) {
        self.configuration = configuration
        self.writer = writer
        self.log = log
        state = ClusterState(ownNode: configuration.node.name)
        node = NodeConfiguration(configuration.node, node: nil, localAddresses: localAddresses)
    }

    /// Takes a batch of changes all the way into the maps.
    func ingest(_ batch: StateBatch) async -> IngestSummary {
        for problem in batch.problems where problems.insert(problem).inserted {
            log.warning("refused a manifest", metadata: ["problem": "\(problem)"])
        }
        for problem in batch.resolved where problems.remove(problem) != nil {
            log.info("a refused manifest is well again", metadata: ["problem": "\(problem)"])
        }
        if !batch.events.isEmpty { lastEventAt = Date() }
        let dirty = state.apply(batch.events)
        hasCompleteList = hasCompleteList || batch.isInitial
        return await program(dirty)
    }

    /// Looks at what changes by itself: the node's addresses, and what could not be written last time.
    /// - Returns: whether something is still pending.
    func tick() async -> Bool {
        localAddresses = NodeAddresses.current()
        let wasPending = !(writer?.pending.isEmpty ?? true)
        if wasPending || currentNode() != node { _ = await program([]) }
        return !(writer?.pending.isEmpty ?? true)
    }

    /// What the maps hold from before the start goes once everything that is wanted has been read (spec 10). What
    /// cannot be read may define it still: a broken manifest never takes a Service away.
    private var mayPrune: Bool { hasCompleteList && !problems.contains(where: \.hidesObjects) }

    private func currentNode() -> NodeConfiguration {
        NodeConfiguration(
            configuration.node, node: state.node(named: configuration.node.name), localAddresses: localAddresses)
    }

    private func program(_ dirty: Set<ObjectName>) async -> IngestSummary {
        var summary = IngestSummary()
        node = currentNode()
        let portions = portions(of: dirty)
        for (index, portion) in portions.enumerated() {
            program(portion, isLast: index == portions.count - 1, &summary)
        }
        reportConflicts()
        if summary.services > 0 {
            log.debug(
                "programmed",
                metadata: [
                    "services": "\(summary.services)", "writes": "\(summary.writes)",
                    "compile": "\(summary.compile)", "apply": "\(summary.apply)",
                ])
        }
        await reclaim()
        return summary
    }

    private func program(_ dirty: Set<ObjectName>, isLast: Bool, _ summary: inout IngestSummary) {
        let clock = ContinuousClock()
        var changes = DesiredChanges()
        summary.compile += clock.measure { changes = compiler.update(dirty: dirty, state: state, node: node) }
        let start = clock.now
        if let report = writer?.apply(
            upserts: changes.upserts, removals: changes.removals, prune: isLast && mayPrune)
        {
            reportFailures(report)
            summary.writes += report.written + report.deleted
        }
        summary.apply += clock.now - start
        summary.services += changes.upserts.count + changes.removals.count
    }

    /// Into empty maps a large first list goes in portions, so that not all of it is in memory as results too. Otherwise
    /// all goes at once: a frontend that moves from one Service to another must do so in one step.
    private func portions(of dirty: Set<ObjectName>) -> [Set<ObjectName>] {
        let size = 512
        guard dirty.count > size, compiler.desired.services.isEmpty, writer?.isEmpty ?? true else { return [dirty] }
        // The compiler learns of the node now, while it knows no Service: a new node means to compile all of them.
        _ = compiler.update(dirty: [], state: ClusterState(), node: node)
        let names = dirty.sorted()
        return stride(from: 0, to: names.count, by: size).map { start in
            Set(names[start..<min(start + size, names.count)])
        }
    }

    /// Frees what no connect reads any more. Other batches may pass while it waits for the grace period.
    private func reclaim() async {
        guard !isReclaiming else { return }
        isReclaiming = true
        defer { isReclaiming = false }
        while let ticket = beginReclaim() {
            guard await Self.gracePeriod() else { return }
            if let report = writer?.finishReclaim(ticket) {
                reportFailures(report)
                if !report.failures.isEmpty { return }
            }
        }
    }

    private func beginReclaim() -> ServiceMapWriter<BPFMapStore>.ReclaimTicket? {
        guard writer?.needsReclaim == true else { return nil }
        return writer?.beginReclaim()
    }

    /// Waits on a thread that may block; false when the wait failed and nothing may be freed yet.
    private static func gracePeriod() async -> Bool {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                let waited: Void? = try? RCU.synchronize()
                continuation.resume(returning: waited != nil)
            }
        }
    }
}

// MARK: - What a person must know

extension ControlPlane {
    private func reportConflicts() {
        let conflicts = Set(compiler.conflicts)
        for conflict in conflicts.subtracting(reportedConflicts).sorted() {
            log.warning("two Services claim one frontend", metadata: ["conflict": "\(conflict)"])
        }
        reportedConflicts = conflicts
    }

    /// Each failure is logged when it appears, not at every retry.
    private func reportFailures(_ report: ApplyReport) {
        let failures = Set(report.failures.map(\.description))
        for failure in failures.subtracting(reportedFailures).sorted() {
            log.error("a Service is not programmed", metadata: ["cause": "\(failure)"])
        }
        if writer?.pending.isEmpty ?? true {
            reportedFailures = []
        } else {
            reportedFailures.formUnion(failures)
        }
    }

    /// The daemon's part of `status`.
    func report(_ base: DaemonReport) -> DaemonReport {
        var report = base
        report.lastEventAt = lastEventAt
        report.nodePortAddresses = node.nodePortAddresses.map { "\($0.address)" }
        report.desired = compiler.desired.totals
        let explained = reportedFailures.sorted()
        report.pending =
            explained
            + (writer?.pending ?? []).map { "\($0)" }.filter { name in !explained.contains { $0.contains(name) } }
        report.residentBytes = Self.residentBytes
        report.problems = problems.map(\.description).sorted() + compiler.conflicts.map(\.description)
        return report
    }

    /// This process's resident memory, from the second field of statm.
    private static var residentBytes: Int {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
    }

    /// The daemon's part of `services`: every Service that it knows, by name.
    func serviceReports() -> [ServiceReport] {
        let conflicts = Dictionary(grouping: compiler.conflicts, by: \.service)
        return state.serviceNames.sorted().compactMap { name in
            guard let service = state.service(named: name) else { return nil }
            let desired = compiler.desired.services[name]
            return ServiceReport(
                service, desired: desired, problems: (conflicts[name] ?? []).map(\.description))
        }
    }
}

extension ServiceReport {
    init(_ service: Service, desired: DesiredService?, problems: [String]) {
        self.init(
            namespace: service.name.namespace, name: service.name.name, type: service.kind.rawValue,
            externalPolicy: service.externalPolicy.rawValue, internalPolicy: service.internalPolicy.rawValue,
            leftAlone: desired?.leftAlone?.text,
            ports: (desired?.ports ?? []).map { port in
                Port(
                    name: port.name.port, protocol: "\(port.name.proto)", family: Int(port.name.family.rawValue),
                    reason: port.emptyReason?.rawValue)
            },
            problems: problems)
    }
}

extension LeftAlone {
    /// In the words that `swiftlet services` shows.
    var text: String {
        switch self {
        case .headless: "headless"
        case .externalName: "ExternalName"
        case .noClusterIP: "no ClusterIP"
        case .otherProxy: "another proxy's"
        }
    }
}

extension DesiredState {
    var totals: DaemonReport.Totals {
        var totals = DaemonReport.Totals()
        for service in services.values {
            totals.services += 1
            totals.servicePorts += service.ports.count
            totals.backends += service.omittedBackends
            for port in service.ports {
                totals.frontends += port.frontends.count
                totals.backends += port.backends.count
            }
        }
        return totals
    }
}

/// What a batch cost and did.
struct IngestSummary: Sendable {
    var services = 0
    var writes = 0
    var compile = Duration.zero
    var apply = Duration.zero
}

extension StateProblem {
    /// Whether an object is not known, or not in its present version, for this problem.
    fileprivate var hidesObjects: Bool {
        switch kind {
        case .unreadable, .unparsable, .invalid: true
        case .duplicate, .conflict: false
        }
    }
}
