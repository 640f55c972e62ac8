internal import ServiceModel

/// Operations in the order that keeps every frontend complete at every moment (spec 44).
///
/// Backends come before the slots that name them, slots before the service entry that points at them. What several
/// service ports need from one map in one step stands together, so that it goes in one batch.
struct Plan {
    enum Step: Int, CaseIterable {
        case counters
        case names
        /// New backends, and what old ones become in addition.
        case gainBackends
        case slots
        /// Ranges are there before a frontend asks for them.
        case sourceRanges
        /// Connects to new addresses begin to be looked up.
        case filter
        /// The moment of change: one atomic update for each frontend.
        case services
    }

    /// Those of IPv4 and IPv6 for each step.
    private var steps: [[PlannedOperation]] = Array(repeating: [], count: Step.allCases.count * 2)
    /// Entries that the operations will add.
    var additions = MapFill()
    /// Service ports for which there is no room; nothing is planned for them.
    var refusals: [(owner: ServiceID, error: MapError)] = []
    /// Frontends that these service ports want no more. They go last, unless somebody else takes them over.
    var surplus: [(key: FrontendKey, owner: ServiceID)] = []
    /// What old backends cease to be. This is for when no frontend leads to them, so it goes after the surplus.
    var losses: [PlannedOperation] = []

    mutating func append(_ operation: MapOperation, for owner: ServiceID, to step: Step, _ family: IPFamily) {
        steps[step.rawValue * 2 + (family == .v4 ? 0 : 1)].append(PlannedOperation(operation: operation, owner: owner))
    }

    var operations: [PlannedOperation] { Array(steps.joined()) }
}
