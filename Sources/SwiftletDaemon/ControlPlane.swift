import BPFLoader
import Dispatch
import FoundationEssentials
import Glibc
import KubernetesAPI
import KubernetesObjects
import Logging
import Observability
import ServiceMaps
import ServiceModel

/// The one who decides and writes: events in, maps out. See docs/architecture.md for the path through it.
actor ControlPlane {
    private let configuration: Configuration
    let log: Logger
    private var state: ClusterState
    private var compiler = Compiler(keepsBackends: false)
    /// Nil when nothing is programmed.
    var writer: ServiceMapWriter<BPFMapStore>?
    /// How the maps get more room; nil when they keep their size.
    let growth: GrowthPlan?
    var growthState = GrowthState()
    private var localAddresses: [IPAddress]
    private var node: NodeConfiguration
    private let endpoints: DaemonEndpoints
    /// Tells the owner of a Service what only a person can put right.
    private let warn: @Sendable (ServiceWarning) -> Void
    /// Told of backends that are in no map any more, and whose sockets are to be destroyed.
    private let bury: @Sendable ([RemovedBackend]) async -> Void
    /// Told of frontends that lead somewhere now, at which sockets may wait.
    private let rouse: @Sendable ([AwakenedFrontend]) async -> Void
    private var awakened: [AwakenedFrontend] = []
    private var tcpChoices = DestroyTCPChoices()
    /// Services with a health check port.
    private var healthChecked: Set<ObjectName> = []
    /// What a part of the daemon wants a person to know, by its name.
    private var attention: [String: String] = [:]
    /// Counts the batches that said something.
    private var revision = 0
    nonisolated let nodeName: String
    /// What the Node object says as it changes; for one reader.
    nonisolated let nodeChanges: AsyncStream<NodeFacts>
    private let nodeChange: AsyncStream<NodeFacts>.Continuation
    private var problems: Set<StateProblem> = []
    private var reportedConflicts: Set<Conflict> = []
    private var reportedFailures: Set<String> = []
    private var lastEventAt: Date?
    /// An element when there is something to free: nobody who feeds changes waits for a grace period.
    nonisolated let reclaimWishes: AsyncStream<Void>
    private let reclaimWish: AsyncStream<Void>.Continuation
    /// Nothing is pruned before the first complete list (spec 10).
    private var hasCompleteList = false
    private var hasSynced = false
    /// The Node object was there once: when it goes, so does the node's eligibility (spec 46).
    private var hasNode = false
    private var healthCheckAddresses: [String]?

    init(
        _ configuration: Configuration, writer: consuming ServiceMapWriter<BPFMapStore>?,
        localAddresses: [IPAddress], endpoints: DaemonEndpoints,
        warn: @escaping @Sendable (ServiceWarning) -> Void = { _ in },
        bury: @escaping @Sendable ([RemovedBackend]) async -> Void = { _ in },
        rouse: @escaping @Sendable ([AwakenedFrontend]) async -> Void = { _ in }, growth: GrowthPlan? = nil,
        log: Logger
    ) {
        self.growth = growth
        self.configuration = configuration
        self.writer = writer
        self.localAddresses = localAddresses
        self.endpoints = endpoints
        self.warn = warn
        self.bury = bury
        self.rouse = rouse
        self.log = log
        (reclaimWishes, reclaimWish) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        nodeName = configuration.node.name
        (nodeChanges, nodeChange) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        state = ClusterState(ownNode: configuration.node.name)
        node = NodeConfiguration(configuration.node, node: nil, localAddresses: localAddresses)
    }

    /// Takes a batch of changes all the way into the maps.
    func ingest(_ batch: StateBatch) -> IngestSummary {
        for problem in batch.problems where problems.insert(problem).inserted {
            log.warning("refused an object", metadata: ["problem": "\(problem)"])
        }
        for problem in batch.resolved where problems.remove(problem) != nil {
            log.info("a refused object is well again", metadata: ["problem": "\(problem)"])
        }
        // A complete list replaces what a cache said before.
        let events = batch.isInitial ? batch.events + state.endings(missingFrom: batch.events) : batch.events
        if !events.isEmpty {
            lastEventAt = Date()
            revision += 1
        }
        endpoints.sync.queued(events)
        tcpChoices.follow(events)
        let dirty = state.apply(events)
        hasCompleteList = hasCompleteList || batch.isInitial
        endpoints.health.setNode(nodeCondition)
        if let node = state.node(named: nodeName) { nodeChange.yield(NodeFacts(node)) }
        let summary = program(dirty)
        noteProgrammed(events.compactMap { if case .slice(let slice) = $0 { slice } else { nil } })
        return summary
    }

    /// Takes what a cache says, unless somebody who knows better was faster.
    func ingest(cached batch: StateBatch) -> IngestSummary? { knowsNothing ? ingest(batch) : nil }

    /// No batch has come yet.
    var knowsNothing: Bool { !hasCompleteList && revision == 0 }

    var hasEmptyMaps: Bool { writer?.isEmpty ?? true }

    /// How long the cluster waited for a change of a slice (spec 48).
    func noteProgrammed(_ slices: [EndpointSlice]) {
        if growthState.isGrowing { return growthState.postpone(slices) }
        for slice in slices where writer != nil {
            guard let change = slice.lastChangeTrigger, let family = slice.family else { continue }
            let date = Date(timeIntervalSince1970: Double(change.nanoseconds) / 1e9)
            endpoints.sync.programmed(change: date, HealthFamily(family))
        }
    }

    private var nodeCondition: NodeCondition {
        guard let node = state.node(named: nodeName) else { return hasNode ? .gone : .unknown }
        hasNode = true
        return .present(
            isBeingDeleted: node.isBeingDeleted, taints: node.isTaintedForDeletion ? [NodeCondition.deletionTaint] : [])
    }

    /// Of the Node object, if it was seen.
    var nodeFacts: NodeFacts { NodeFacts(state.node(named: nodeName)) }

    /// Follows the addresses of the node's devices.
    func setLocalAddresses(_ addresses: [IPAddress]) {
        localAddresses = addresses
        guard currentNode() != node else { return }
        log.info(
            "the node's addresses changed",
            metadata: ["addresses": "\(addresses.map(\.description).joined(separator: ", "))"])
        _ = program([])
    }

    /// Tries again what could not be written last time.
    /// - Returns: whether something is still pending.
    func retry() -> Bool {
        guard isPending else { return false }
        _ = program([])
        return isPending
    }

    private var isPending: Bool { !(writer?.pending.isEmpty ?? true) }

    /// What the maps hold from before the start goes once everything that is wanted has been read (spec 10). What
    /// cannot be read may define it still: a broken manifest never takes a Service away.
    private var mayPrune: Bool { hasCompleteList && !problems.contains(where: \.hidesObjects) }

    private func currentNode() -> NodeConfiguration {
        NodeConfiguration(
            configuration.node, node: state.node(named: configuration.node.name), localAddresses: localAddresses)
    }

    func program(_ dirty: Set<ObjectName>) -> IngestSummary {
        var summary = IngestSummary()
        // Their entries are being copied: what changes now is programmed into the larger ones.
        if growthState.isGrowing {
            growthState.postpone(dirty)
            return summary
        }
        let (isFull, hadSynced) = (node != currentNode() || !hasSynced, hasSynced)
        node = currentNode()
        hasSynced = hasSynced || hasCompleteList
        let portions = portions(of: dirty)
        for (index, portion) in portions.enumerated() {
            program(portion, isLast: index == portions.count - 1, hadSynced: hadSynced, &summary)
        }
        endpoints.sync.synced(
            .init(
                compile: summary.compile, apply: summary.apply, writes: summary.writes, isFull: isFull,
                failures: summary.failures))
        reportConflicts()
        if summary.services > 0 {
            log.debug(
                "programmed",
                metadata: [
                    "services": "\(summary.services)", "writes": "\(summary.writes)",
                    "compile": "\(summary.compile)", "apply": "\(summary.apply)",
                ])
        }
        if writer?.needsReclaim == true || !awakened.isEmpty { reclaimWish.yield() }
        if nextGrowth != nil { growthState.wish.yield() }
        return summary
    }

    private func program(
        _ dirty: Set<ObjectName>, isLast: Bool, hadSynced: Bool, _ summary: inout IngestSummary
    ) {
        let clock = ContinuousClock()
        var changes = DesiredChanges()
        summary.compile += clock.measure { changes = compiler.update(dirty: dirty, state: state, node: node) }
        let start = clock.now
        if let report = writer?.apply(
            upserts: changes.upserts, removals: changes.removals, prune: isLast && mayPrune)
        {
            growthState.note(report)
            // Not what is served for the first time: connections from before are the kernel's, or another proxy's.
            if hadSynced { awakened += report.awakened }
            reportFailures(report)
            summary.writes += report.written + report.deleted
            summary.failures += report.failures
        }
        summary.apply += clock.now - start
        summary.services += changes.upserts.count + changes.removals.count
        updateHealthChecks(changes)
    }

    private func updateHealthChecks(_ changes: DesiredChanges) {
        let before = healthChecked
        let addresses = node.healthCheckHosts(configuration.node.nodePorts)
        healthChecked.subtract(changes.removals)
        var isTouched = healthChecked != before || (addresses != healthCheckAddresses && !before.isEmpty)
        for service in changes.upserts {
            if service.healthCheckNodePort != nil {
                healthChecked.insert(service.name)
                isTouched = true
            } else if healthChecked.remove(service.name) != nil {
                isTouched = true
            }
        }
        guard isTouched else { return }
        healthCheckAddresses = addresses
        let services = healthChecked.compactMap { name in compiler.desired.services[name].map { (name, $0) } }
        endpoints.healthChecks.update(
            HealthCheck.wanted(by: DesiredState(services: Dictionary(uniqueKeysWithValues: services))),
            hosts: addresses)
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

    /// Frees what no connect reads any more. Batches may pass while it waits for the grace period; it has one caller at
    /// a time.
    func reclaim() async {
        let roused = awakened
        awakened = []
        if !roused.isEmpty { await rouse(roused) }
        while let ticket = beginReclaim() {
            let start = ContinuousClock.now
            guard await Self.gracePeriod() else { return }
            // What was retired is retired still, and its turn comes after the move to larger maps.
            if growthState.isGrowing { return }
            if let report = writer?.finishReclaim(ticket) {
                reportFailures(report)
                endpoints.sync.reclaimed(in: ContinuousClock.now - start, failures: report.failures)
                await bury(tcpChoices.select(report.removedBackends))
                if !report.failures.isEmpty { return }
            }
        }
        tcpChoices.keep { state.service(named: $0) != nil }
    }

    private func beginReclaim() -> ServiceMapWriter<BPFMapStore>.ReclaimTicket? {
        guard writer?.needsReclaim == true, !growthState.isGrowing else { return nil }
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
            warn(
                ServiceWarning(
                    service: conflict.service, reason: "FrontendConflict", action: "Programming", note: "\(conflict)"))
        }
        reportedConflicts = conflicts
    }

    /// Each failure is logged when it appears, not at every retry. One that growing helps against is none yet.
    private func reportFailures(_ report: ApplyReport) {
        let explained = explained(report.failures)
        let failures = Set(explained.map(\.description))
        for failure in failures.subtracting(reportedFailures).sorted() {
            log.error("a Service is not programmed", metadata: ["cause": "\(failure)"])
        }
        for failure in explained where !reportedFailures.contains(failure.description) {
            guard let service = failure.port?.service else { continue }
            warn(
                ServiceWarning(
                    service: service, reason: "NotProgrammed", action: "Programming",
                    note: "on node \(nodeName): \(failure)"))
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
        report.problems =
            problems.map(\.description).sorted() + compiler.conflicts.map(\.description) + attention.values.sorted()
            + endpoints.problems.all
        return report
    }

    /// Notes what a part of the daemon wants a person to know; nil when it is well again.
    func setAttention(_ part: String, to text: String?) {
        if let text, attention[part] != text { log.warning("\(part)", metadata: ["cause": "\(text)"]) }
        attention[part] = text
    }

    /// Everything that is known, with a number that tells it from other states; nil before the first complete list.
    var completeState: (revision: Int, events: [ClusterEvent])? {
        hasCompleteList ? (revision, state.events) : nil
    }

    /// The control plane's part of the metrics.
    var wanted: MetricsSnapshot.Wanted {
        MetricsSnapshot.Wanted(
            totals: compiler.desired.totals, gaps: EndpointGaps(compiler.desired),
            pendingPorts: writer?.pending.count ?? 0, conflicts: compiler.conflicts.count,
            refusedObjects: problems.count, mapEntries: writer?.statistics.mapValues(\.entries) ?? [:])
    }

    /// This process's resident memory, from the second field of statm.
    private static var residentBytes: Int {
        let fields = ProcFile.text("/proc/self/statm")?.split(separator: " ") ?? []
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
    var failures: [ApplyReport.Failure] = []
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
