import DatapathInstall
import Dispatch
import FoundationEssentials
import Glibc
import KubernetesAPI
import KubernetesObjects
import Logging
import Observability
import ServiceMaps
import ServiceModel
import Settings

/// Decides and writes: events in, maps out. See docs/architecture.md for the path through it.
///
/// The maps are the kernel's, or a test's; so are the clock and the grace period.
actor ControlPlane<Store: MapStore & Sendable> {
    let configuration: Configuration
    let log: Logger
    private(set) var state: ClusterState
    private(set) var compiler = Compiler(keepsBackends: false)
    /// Nil when nothing is programmed.
    var writer: ServiceMapWriter<Store>?
    /// How the maps get more room; nil when they keep their size.
    let growth: GrowthPlan<Store>?
    var growthState = GrowthState()
    /// Durations and pauses; nothing here sleeps.
    let time: Timekeeper
    /// Told how far a long first list is; nil when it is over.
    private let progress: @Sendable (String?) -> Void
    /// Passes when nothing reads any more what was taken out of the maps before.
    private let grace: any GracePeriod
    private(set) var localAddresses: [IPAddress]
    /// What the node's routes lead to pods.
    private var podRoutes: [CIDR] = []
    /// Those of `localAddresses` that a listener may be bound to on purpose.
    private var heldAddresses: [IPAddress]
    /// What is to be said of addresses of Services, as `status` shows it.
    private(set) var remarks: [ObjectName: [AddressRemark]] = [:]
    /// Whether packets of pods' sockets are looked at, and which Services ask for it.
    var sourceChecks: SourceChecks
    private(set) var node: NodeConfiguration
    private(set) var nodeMemory = NodeMemory()
    let endpoints: DaemonEndpoints
    /// Tells the owner of a Service what only a person can put right.
    let warn: @Sendable (ServiceWarning) -> Void
    /// Told of backends that are in no map any more, and whose sockets are to be destroyed.
    private let bury: @Sendable ([RemovedBackend]) async -> Void
    /// Told of frontends that lead somewhere now, at which sockets may wait.
    private let rouse: @Sendable ([AwakenedFrontend]) async -> Void
    private var awakened: [AwakenedFrontend] = []
    /// The hooks have served something before the complete list: what the maps held at the start, or a cache.
    private var servesAlready = false
    private var tcpChoices = DestroyTCPChoices()
    /// Services with a health check port.
    private var healthChecked: Set<ObjectName> = []
    /// What a part of the daemon wants a person to know, by its name.
    var attention: [String: String] = [:]
    /// Counts the batches that said something.
    private(set) var revision = 0
    nonisolated let nodeName: String
    /// What the Node object says as it changes; for one reader.
    nonisolated let nodeChanges: AsyncStream<NodeFacts>
    private let nodeChange: AsyncStream<NodeFacts>.Continuation
    private(set) var problems: Set<StateProblem> = []
    /// Services of which the manifests leave something as it was, and what of them cannot be used.
    private(set) var keptByManifests: [ObjectName: String] = [:]
    /// Services of manifests that take an address of the node's own.
    private var doubtful: [ObjectName: [String]] = [:]
    /// Why service ports have no endpoint, where only their pods tell.
    var podReasons: [ServicePortName: Reason] = [:]
    var podsSeen: (revision: Int, at: ContinuousClock.Instant)?
    private var withheld = WithheldServices()
    var reportedConflicts: Set<Conflict> = []
    var reportedConflictsRevision = 0
    var reportedFailures = ReportedFailures()
    private(set) var lastEventAt: Date?
    /// An element when there is something to free: changes do not wait for a grace period.
    nonisolated let reclaimWishes: AsyncStream<Void>
    private let reclaimWish: AsyncStream<Void>.Continuation
    /// An element when endpoints or the ways to them may have changed; for one reader.
    nonisolated let endpointWishes: AsyncStream<Void>
    private nonisolated let endpointWish: AsyncStream<Void>.Continuation
    /// An element when packets of pods' sockets are to be looked at, or not any more; for one reader.
    nonisolated let sourceCheckWishes: AsyncStream<Void>
    private nonisolated let sourceCheckWish: AsyncStream<Void>.Continuation
    /// Nothing is pruned before the first complete list (spec 10).
    private(set) var hasCompleteList = false
    private var hasSynced = false
    /// The Node object was there once: when it goes, so does the node's eligibility (spec 46).
    private var hasNode = false
    private var healthCheckAddresses: [String]?
    /// Nil when no names are answered.
    nonisolated let names: DaemonNames?
    /// Objects of our own that were not programmed yet.
    private var ownDirty: Set<ObjectName> = []
    /// The objects that swiftlet makes itself, and others that have their names.
    let ownSubjects: Set<ClusterEvent.Subject>
    var namesakes: [ClusterEvent.Subject: String] = [:]
    /// What a cache says was taken: all that is known until a list comes.
    private(set) var hasCachedState = false
    /// The names are those of the complete list.
    var hasWholeNames = false

    init(
        _ configuration: Configuration, writer: consuming ServiceMapWriter<Store>?,
        localAddresses: [IPAddress], held: [IPAddress] = [], checksSources: Bool = false, endpoints: DaemonEndpoints,
        warn: @escaping @Sendable (ServiceWarning) -> Void = { _ in },
        bury: @escaping @Sendable ([RemovedBackend]) async -> Void = { _ in },
        rouse: @escaping @Sendable ([AwakenedFrontend]) async -> Void = { _ in }, growth: GrowthPlan<Store>? = nil,
        names: DaemonNames? = nil, time: Timekeeper = .real, grace: any GracePeriod = RCUGracePeriod(),
        progress: @escaping @Sendable (String?) -> Void = { _ in }, log: Logger
    ) {
        self.progress = progress
        self.growth = growth
        self.names = names
        self.time = time
        self.grace = grace
        self.configuration = configuration
        self.writer = writer
        servesAlready = self.writer?.isEmpty == false
        self.localAddresses = localAddresses
        heldAddresses = held
        sourceChecks = SourceChecks(isOn: checksSources)
        (sourceCheckWishes, sourceCheckWish) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.endpoints = endpoints
        self.warn = warn
        self.bury = bury
        self.rouse = rouse
        self.log = log
        (reclaimWishes, reclaimWish) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (endpointWishes, endpointWish) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        nodeName = configuration.node.name
        (nodeChanges, nodeChange) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        _ = self.writer?.setNodeAddresses(Set(localAddresses))
        state = ClusterState(ownNode: configuration.node.name, keepsHeadless: names != nil)
        let own = names == nil ? [] : configuration.names.objects
        ownSubjects = Set(own.map(\.subject))
        ownDirty = state.apply(own)
        node = NodeConfiguration(configuration.node, node: nil, localAddresses: localAddresses, held: held)
    }

    /// Counts a batch as waiting from the moment in which it comes, however long the control plane is busy.
    nonisolated func arrived(_ batch: StateBatch) { endpoints.sync.queued(batch.events) }

    /// Takes a batch of changes all the way into the maps.
    func ingest(_ batch: StateBatch) -> IngestSummary {
        let (events, dirty) = take(batch)
        return program(dirty, waited: AwaitedChange.all(of: events))
    }

    /// Takes the complete list. The maps get the room that it needs before anything of it is written.
    func ingestFirst(_ batch: consuming StateBatch) async -> IngestSummary {
        var (events, dirty) = take(batch)
        var waited = AwaitedChange.all(of: events)
        let most = MapDemand(atMost: events, nodePortAddresses: currentNode().nodePortAddresses.count)
        // They are as large as all that is kept of them, and the maps' mirror is still to come.
        events = []
        let postponed = await makeRoom(for: most)
        dirty.formUnion(postponed.services)
        waited += postponed.changes
        return program(dirty, waited: waited)
    }

    private func program(_ dirty: Set<ObjectName>, waited: [AwaitedChange]) -> IngestSummary {
        let summary = program(dirty)
        noteProgrammed(waited)
        return summary
    }

    /// - Returns: what is new, and which Services have not been programmed for it.
    private func take(_ batch: consuming StateBatch) -> (events: [ClusterEvent], dirty: Set<ObjectName>) {
        var lines = LogRun(log, .warning)
        for problem in batch.problems where problems.insert(problem).inserted {
            lines.add(problem.kind.logLine, metadata: ["problem": "\(problem)"])
        }
        lines.end()
        if !batch.passedOver.isEmpty {
            log.info("passed over", metadata: ["kinds": "\(batch.passedOver.joined(separator: ", "))"])
        }
        var resolved = LogRun(log, .info)
        for problem in batch.resolved where problems.remove(problem) != nil {
            resolved.add("a problem is gone", metadata: ["problem": "\(problem)"])
        }
        resolved.end()
        if let kept = batch.kept { keptByManifests = kept }
        let events = withoutNamesakes(batch.isInitial ? wholeList(batch) : batch.events, isWhole: batch.isInitial)
        if !events.isEmpty {
            lastEventAt = Date()
            revision += 1
        }
        // It was counted when it came; this is for what other rounds have reported as programmed meanwhile.
        if !events.isEmpty { endpoints.health.queued() }
        tcpChoices.follow(events)
        let dirty = state.apply(events).union(ownDirty)
        ownDirty = []
        if !dirty.isEmpty { wishForEndpoints() }
        hasCompleteList = hasCompleteList || batch.isInitial
        endpoints.health.setNode(nodeCondition)
        if let node = state.node(named: nodeName) {
            nodeChange.yield(NodeFacts(node))
            names?.follow(node)
        }
        return (events, dirty)
    }

    /// A complete list replaces what a cache said before, but for what is refused as it is now.
    private func wholeList(_ batch: StateBatch) -> [ClusterEvent] {
        let hidden = batch.hiddenSubjects.union(ownSubjects)
        let endings = state.endings(missingFrom: batch.events).filter { !hidden.contains($0.subject) }
        return endings.isEmpty ? batch.events : batch.events + endings
    }

    /// Takes what a cache says, unless a list was faster.
    func ingest(cached batch: StateBatch) async -> IngestSummary? {
        guard knowsNothing else { return nil }
        hasCachedState = true
        defer { servesAlready = true }
        return await ingestFirst(batch)
    }

    /// No batch has come yet.
    var knowsNothing: Bool { !hasCompleteList && revision == 0 }

    var hasEmptyMaps: Bool { writer?.isEmpty ?? true }

    /// How long the cluster waited for changes of endpoints (spec 48).
    func noteProgrammed(_ changes: [AwaitedChange]) {
        if growthState.isGrowing { return growthState.postpone(changes) }
        for change in changes where writer != nil {
            endpoints.sync.programmed(change: change.date, HealthFamily(change.family))
        }
    }

    private var nodeCondition: NodeCondition {
        guard let node = state.node(named: nodeName) else { return hasNode ? .gone : .unknown }
        hasNode = true
        return .present(
            isBeingDeleted: node.isBeingDeleted, taints: node.isTaintedForDeletion ? [NodeCondition.deletionTaint] : [])
    }

    /// Takes what an earlier process knew of this node, where the first list has no Node of this name (spec 56).
    func remember(_ node: Node) { _ = nodeMemory.recall(node) }

    /// Of the Node object, if it was seen.
    var nodeFacts: NodeFacts { NodeFacts(state.node(named: nodeName)) }

    /// Says that the devices which lead to endpoints may be others now.
    nonisolated func wishForEndpoints() { endpointWish.yield() }

    /// Where NodePorts are served.
    var nodePortAddresses: [IPAddress] { node.nodePortAddresses.map(\.address) }

    /// Follows the addresses of the node's devices.
    ///
    /// - Parameters:
    ///   - podRoutes: what its routes lead to pods.
    ///   - held: addresses that a listener may be bound to on purpose.
    func setLocalAddresses(_ addresses: [IPAddress], podRoutes: [CIDR], held: [IPAddress]) {
        self.podRoutes = podRoutes
        heldAddresses = held
        let areSame = addresses == localAddresses
        localAddresses = addresses
        let hasOtherVIPs = writer?.setNodeAddresses(Set(addresses)) ?? false
        guard currentNode() != node || hasOtherVIPs else { return }
        defer { _ = program([]) }
        if areSame { return }
        log.info(
            "the node's addresses changed",
            metadata: ["addresses": "\(addresses.map(\.description).joined(separator: ", "))"])
    }

    /// Tries again what could not be written, as far as it is due; changes pass between the portions.
    func retry() async {
        guard writer?.isPending == true else { return }
        repeat {
            _ = program([], retries: .due)
            await Task.yield()
        } while writer?.isTurnOver == false && !growthState.isGrowing && !Task.isCancelled
        reportedFailures.forget(except: writer?.pending ?? [])
    }

    /// What the maps hold from before the start goes once everything that is wanted has been read (spec 10). What
    /// cannot be read may define it still: a broken manifest never takes a Service away. Where it is known whose it is, only
    /// that Service is spared.
    private var mayPrune: Bool { hasCompleteList && !problems.contains { $0.hides == .anything } }

    private func withhold(_ changes: inout DesiredChanges) {
        let (hidesAnything, spared) = (problems.contains { $0.hides == .anything }, spared)
        withheld.filter(
            &changes, isHidden: { hidesAnything || spared.contains($0) },
            found: { writer?.unconfirmedServices ?? [] })
    }

    var spared: Set<ObjectName> { Set(problems.compactMap(\.hides.service)) }

    func currentNode() -> NodeConfiguration {
        var current = NodeConfiguration(
            configuration.node, node: nodeMemory.recall(state.node(named: configuration.node.name)),
            localAddresses: localAddresses, podRoutes: podRoutes, held: heldAddresses)
        current.checksPackets = sourceChecks.isOn
        return current
    }

    func program(
        _ dirty: Set<ObjectName>, retries: ServiceMapWriter<Store>.Retries = .none
    ) -> IngestSummary {
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
            let isLast = index == portions.count - 1
            if portions.count > 1 {
                progress("programming Services: \(summary.services) of \(dirty.count)")
            }
            program(portion, prunes: isLast && mayPrune, isLast ? retries : .none, hadSynced: hadSynced, &summary)
        }
        summary.allServices = compiler.desired.services.count
        updateNames(dirty)
        if portions.count > 1 { progress(nil) }
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
        if sourceChecks.isOn != sourceChecks.isWanted { sourceCheckWish.yield() }
        return summary
    }

    private func program(
        _ dirty: Set<ObjectName>, prunes: Bool, _ retries: ServiceMapWriter<Store>.Retries,
        hadSynced: Bool, _ summary: inout IngestSummary
    ) {
        let begin = time.now()
        var changes = compiler.update(dirty: dirty, state: state, node: node)
        summary.compile += time.now() - begin
        withhold(&changes)
        sourceChecks.follow(changes)
        let start = time.now()
        if let report = writer?.apply(
            upserts: changes.upserts, removals: changes.removals, prune: prunes, sparing: spared, retries: retries)
        {
            growthState.note(report)
            // Not what is served for the first time: connections from before are the kernel's, or another proxy's.
            if hadSynced || servesAlready { awakened += report.awakened }
            reportFailures(report)
            summary.writes += report.written + report.deleted
            summary.failures += report.failures
        }
        summary.apply += time.now() - start
        summary.services += changes.upserts.count + changes.removals.count
        updateHealthChecks(changes)
        noteRemarks(changes)
        if !configuration.manifests.isEmpty { noteDoubts(changes) }
    }

    private func noteRemarks(_ changes: DesiredChanges) {
        for name in changes.removals { remarks[name] = nil }
        for name in changes.upserts.map(\.name) {
            let found = state.service(named: name)?.addressRemarks(on: node) ?? []
            for remark in found where remarks[name]?.contains(remark) != true {
                log.notice(
                    "an address is not served as written", metadata: ["service": "\(name)", "cause": "\(remark.text)"])
            }
            remarks[name] = found.isEmpty ? nil : found
        }
    }

    /// Of manifests, which no API server has checked. (In a cluster a cache of DNS may own a ClusterIP, on purpose.)
    private func noteDoubts(_ changes: DesiredChanges) {
        for name in changes.removals { doubtful[name] = nil }
        let own = Set(localAddresses)
        let hasNodePorts = changes.upserts.contains { !$0.nodePorts.isEmpty }
        let listening = hasNodePorts ? ListeningPorts.tcp() : []
        var lines = LogRun(log, .warning)
        for service in changes.upserts {
            let doubts = service.doubts(onNodeWith: own, listening: listening)
            for doubt in doubts where doubtful[service.name] != doubts {
                lines.add(StateProblem.Kind.doubtful.logLine, metadata: ["problem": "\(doubt)"])
            }
            doubtful[service.name] = doubts.isEmpty ? nil : doubts
        }
        lines.end()
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
            let start = time.now()
            guard await gracePeriod() else { return }
            // What was retired is retired still, and its turn comes after the move to larger maps.
            if growthState.isGrowing { return }
            if let report = writer?.finishReclaim(ticket) {
                reportFailures(report)
                endpoints.sync.reclaimed(in: time.now() - start, failures: report.failures)
                await bury(tcpChoices.select(report.removedBackends))
                if !report.failures.isEmpty { return }
            }
        }
        tcpChoices.keep { state.service(named: $0) != nil }
    }

    private func beginReclaim() -> ServiceMapWriter<Store>.ReclaimTicket? {
        guard writer?.needsReclaim == true, !growthState.isGrowing else { return nil }
        return writer?.beginReclaim()
    }

    /// Waits on a thread that may block; false when the wait failed and nothing may be freed yet.
    private func gracePeriod() async -> Bool {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { [grace] in
                let waited: Void? = try? grace.wait()
                continuation.resume(returning: waited != nil)
            }
        }
    }
}

/// The control plane of a daemon, on the kernel's maps.
typealias KernelControlPlane = ControlPlane<BPFMapStore>
