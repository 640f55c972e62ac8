/// The steps of a write, in the order that keeps every frontend complete at every moment (spec 44).
///
/// Wherever a write is interrupted, each connect meets a service whose slots, backends and source ranges are there.
enum WriteStep: Int, CaseIterable {
    /// A new service port begins to count at zero. Nothing leads to its id yet.
    case zeroCounters
    /// The name goes with the id before anything else does: after a crash it tells whose the rest is (spec 43).
    case putNames
    /// New backends, and what old ones become in addition: one that a client remembers is valid under the old set and under
    /// the new one. Before the slots that name them.
    case gainBackends
    /// New runs. Before the service entries that point at them: until then they are not read.
    case putSlots
    /// Before a frontend asks for them, so that none is open or closed to the wrong clients meanwhile.
    case putSourceRanges
    /// Connects to new addresses begin to be looked up. Before the frontend is there: a filter that is ahead costs a look-up,
    /// one that is behind would let its first connections pass untranslated.
    case markFilter
    /// The moment of change: one atomic update for each frontend. One that moves to another service port moves in it.
    case putServices
    /// Frontends that are no longer wanted. After all updates of the round: only then is it known that no service port has
    /// taken them over, and one that moves is never absent.
    case deleteServices
    /// What old backends cease to be. No frontend leads to them now; clients that remember one choose anew.
    case loseBackends
    /// The entries that service ports share. They follow from the frontends that are in the maps, so they come after them.
    case putShared
    /// Slots that no frontend has pointed at since a grace period began. Nothing that a program may still be reading is
    /// freed, here and below.
    case clearSlots
    /// Old source ranges. As late as this, so that a client that both the old ones and the new ones admit is never refused.
    case deleteSourceRanges
    /// Before the backends: one that cannot be deleted is tried again, and its counter with it.
    case deleteBackendCounters
    /// After the slots that named them.
    case deleteBackends
    /// Last, since the name tells whose the rest is; and the id is free for another service port from here on.
    case deleteNames

    /// When a step comes.
    enum Stage {
        /// For each portion of the service ports of a round.
        case portion
        /// Once all portions are written.
        case round
        /// Once a grace period is over that began after the round.
        case afterGrace
    }

    var stage: Stage {
        switch self {
        case .zeroCounters, .putNames, .gainBackends, .putSlots, .putSourceRanges, .markFilter, .putServices: .portion
        case .deleteServices, .loseBackends, .putShared: .round
        case .clearSlots, .deleteSourceRanges, .deleteBackendCounters, .deleteBackends, .deleteNames: .afterGrace
        }
    }

    /// Whether it is done for a service port of which an earlier step has failed. Frontends that are not wanted go all
    /// the same, and what is shared belongs to many.
    var heedsFailures: Bool { self != .deleteServices && self != .putShared }
}
