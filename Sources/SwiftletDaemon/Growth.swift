import ServiceMaps
import ServiceModel

/// How the maps of Services get more room.
struct GrowthPlan<Store: MapStore>: Sendable {
    var limits: MapGrowth
    /// Makes larger maps with the same entries, and has all programs use them.
    var grow: @Sendable (MapCapacities) async throws -> Store
}

/// What the control plane remembers of it.
struct GrowthState {
    struct Postponed {
        /// Not yet programmed.
        var services: Set<ObjectName> = []
        /// The changes that led to it.
        var changes: [AwaitedChange] = []
    }

    /// The entries are being copied and must not change.
    private(set) var isGrowing = false
    /// What has its turn when that is over.
    private var postponed = Postponed()
    private var waiting: [CheckedContinuation<Void, Never>] = []
    /// An element when the maps should grow.
    let wishes: AsyncStream<Void>
    let wish: AsyncStream<Void>.Continuation
    /// The groups that lacked room for something which still waits.
    private(set) var shortages: Set<MapGroup> = []
    /// On the control plane's clock.
    private var nextTry = Duration.zero

    init() { (wishes, wish) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    /// Not for a while after it failed.
    func mayTry(at now: Duration) -> Bool { now >= nextTry }

    mutating func begin() { isGrowing = true }

    /// - Parameter groups: what has more room now, unless it has failed.
    /// - Returns: what came meanwhile.
    mutating func end(of groups: [MapGroup], hasFailed: Bool, at now: Duration) -> Postponed {
        isGrowing = false
        // What still lacks room says so when it is tried again.
        if hasFailed { nextTry = now + .seconds(10) } else { shortages.subtract(groups) }
        for waiter in waiting { waiter.resume() }
        waiting = []
        defer { postponed = Postponed() }
        return postponed
    }

    /// Resumes at the end.
    mutating func wait(_ waiter: CheckedContinuation<Void, Never>) { waiting.append(waiter) }

    mutating func postpone(_ dirty: Set<ObjectName>) { postponed.services.formUnion(dirty) }

    mutating func postpone(_ changes: [AwaitedChange]) { postponed.changes += changes }

    mutating func note(_ report: ApplyReport) {
        if !report.isPending { shortages = [] }
        shortages.formUnion(report.failures.lazy.filter(\.error.isShortage).compactMap { MapGroup(of: $0.map) })
    }
}
