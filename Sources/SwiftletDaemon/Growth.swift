import ServiceLifecycle
import ServiceMaps
import ServiceModel

/// How the maps of Services get more room.
struct GrowthPlan: Sendable {
    var limits: MapGrowth
    /// Makes larger maps with the same entries, and has all programs use them.
    var grow: @Sendable (MapCapacities) async throws -> BPFMapStore
}

/// What the control plane remembers of it.
struct GrowthState {
    /// The entries are being copied: nobody may write.
    var isGrowing = false
    /// What is to be programmed when that is over.
    var deferred: Set<ObjectName> = []
    /// An element when the maps should grow.
    let wishes: AsyncStream<Void>
    let wish: AsyncStream<Void>.Continuation
    /// The groups that lacked room for something which still waits.
    private(set) var shortages: Set<MapGroup> = []
    private var nextTry = ContinuousClock.now

    init() { (wishes, wish) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    /// Not for a while after it failed.
    var mayTry: Bool { ContinuousClock.now >= nextTry }

    mutating func failed() { nextTry = ContinuousClock.now + .seconds(60) }

    mutating func note(_ report: ApplyReport) {
        if report.pending.isEmpty { shortages = [] }
        shortages.formUnion(report.failures.lazy.filter(\.error.isShortage).compactMap { MapGroup(of: $0.map) })
    }

    mutating func takeDeferred() -> Set<ObjectName> {
        defer { deferred = [] }
        return deferred
    }
}

/// Gives the maps more room each time that they lack it.
struct GrowthService: ServiceLifecycle.Service {
    let control: ControlPlane

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in await control.growthState.wishes { await control.grow() }
        }
    }
}
