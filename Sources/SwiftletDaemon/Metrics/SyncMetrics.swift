import FoundationEssentials
import Glibc
import KubernetesAPI
import Observability
import ServiceMaps
import ServiceModel
import Synchronization

/// Where the control plane and the sources tell what they do, and the metrics ask.
final class SyncMetrics: Sendable {
    private let state = Mutex(SyncStatistics())
    private let health: HealthMonitor

    /// - Parameter health: is told when something is queued, and when all of it is programmed.
    init(health: HealthMonitor) { self.health = health }

    var statistics: SyncStatistics { state.withLock(\.self) }

    /// Changes were seen, and are not programmed yet.
    func queued(_ events: [ClusterEvent], at date: Date = Date()) {
        guard !events.isEmpty else { return }
        health.queued()
        state.withLock { state in
            state.lastQueued = date
            for event in events { state.count(event) }
        }
    }

    /// What one round from dirty Services to the maps cost and did.
    struct Round: Sendable {
        var compile = Duration.zero
        var apply = Duration.zero
        /// Entries written and removed.
        var writes = 0
        /// All Services were compiled, not only those that an event named.
        var isFull = false
        var failures: [ApplyReport.Failure] = []
    }

    /// A round has ended. One that failed leaves its changes pending: the same Services are tried again.
    ///
    /// A Service for which there is no room is refused, which is an answer: that must not take the node out of every
    /// load balancer.
    func synced(_ round: Round, at date: Date = Date()) {
        let isComplete = !round.failures.contains { $0.error.isOfKernel }
        if isComplete { health.updated() }
        state.withLock { state in
            let duration = round.compile + round.apply
            state.syncs.observe(duration)
            if round.isFull { state.fullSyncs.observe(duration) } else { state.partialSyncs.observe(duration) }
            state.observe(.compile, round.compile)
            state.observe(.apply, round.apply)
            if round.writes > 0 { state.writes.observe(Double(round.writes)) }
            state.count(round.failures)
            guard isComplete else { return }
            state.lastSynced = date
            state.services.pending = 0
            state.endpoints.pending = 0
            state.nodes.pending = 0
        }
    }

    /// What is no longer read was freed, after a grace period.
    func reclaimed(in duration: Duration, failures: [ApplyReport.Failure] = []) {
        state.withLock { state in
            state.observe(.reclaim, duration)
            state.count(failures)
        }
    }

    /// A slice is programmed; `change` is what `endpoints.kubernetes.io/last-change-trigger-time` says of it.
    func programmed(change: Date, _ family: HealthFamily, at date: Date = Date()) {
        state.withLock {
            $0.networkProgramming[family, default: .networkProgramming].observe(
                max(0, date.timeIntervalSince(change)))
        }
    }

    /// Flows of UDP Services to backends that are gone were removed.
    func cleanedFlows(_ family: HealthFamily, in duration: Duration, deleted: UInt64) {
        state.withLock {
            $0.flowCleanup[family, default: .init()].durations.observe(duration)
            $0.flowCleanup[family, default: .init()].deleted += deleted
        }
    }

    /// Takes over what the source of a cluster has counted.
    func take(_ statistics: SourceStatistics?) {
        guard let statistics else { return }
        state.withLock { $0.sources = statistics.resources.mapValues(SourceCounts.init) }
    }
}

extension SyncStatistics {
    fileprivate mutating func count(_ event: ClusterEvent) {
        switch event {
        case .service, .serviceGone: services.count()
        case .slice, .sliceGone: endpoints.count()
        case .node, .nodeGone: nodes.count()
        }
    }

    fileprivate mutating func observe(_ phase: Phase, _ duration: Duration) {
        phases[phase, default: Self.phaseDuration].observe(duration)
    }

    fileprivate mutating func count(_ failures: [ApplyReport.Failure]) {
        for failure in failures {
            self.failures[Failure(map: failure.map, errno: failure.error.errnoName), default: 0] += 1
        }
    }
}

extension SyncStatistics.Changes {
    fileprivate mutating func count() {
        seen += 1
        pending += 1
    }
}

extension MapError {
    fileprivate var isOfKernel: Bool {
        if case .kernel = cause { true } else { false }
    }

    /// Those that bpf(2) gives; Glibc's own table cannot be called from Swift.
    private static let errnoNames: [Int32: String] = [
        EPERM: "EPERM", ENOENT: "ENOENT", E2BIG: "E2BIG", EBADF: "EBADF", EAGAIN: "EAGAIN", ENOMEM: "ENOMEM",
        EFAULT: "EFAULT", EBUSY: "EBUSY", EEXIST: "EEXIST", EINVAL: "EINVAL", ENOSPC: "ENOSPC",
        EOPNOTSUPP: "EOPNOTSUPP", 524: "ENOTSUPP",
    ]

    /// As the C constant; what we know to have no room without asking the kernel has the number that it would give.
    fileprivate var errnoName: String {
        guard case .kernel(let errno, _) = cause else { return "ENOSPC" }
        return Self.errnoNames[errno] ?? "\(errno)"
    }
}

extension SourceCounts {
    fileprivate init(_ resource: SourceStatistics.Resource) {
        self.init(
            lists: UInt64(resource.lists), restarts: UInt64(resource.restarts.values.reduce(0, +)),
            events: UInt64(resource.events), decoding: .nanoseconds(resource.decodeNanoseconds))
    }
}
