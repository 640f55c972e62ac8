import FoundationEssentials
import Observability
import ServiceMaps

/// What the control plane did since it started, as numbers.
struct SyncStatistics: Sendable {
    /// A part of the way from an event to the maps.
    enum Phase: String, Sendable, Hashable, CaseIterable {
        /// Events to the desired state.
        case compile
        /// Desired state to a plan, and the plan to the maps.
        case apply
        /// The wait for a grace period, and freeing what is no longer read.
        case reclaim
    }

    /// Changes of one kind of object.
    struct Changes: Sendable, Hashable {
        var seen: UInt64 = 0
        /// Of those, not yet programmed.
        var pending: UInt64 = 0
    }

    struct Failure: Sendable, Hashable {
        var map: ServiceMap
        /// `ENOMEM`; what has no room in a map is `ENOSPC`.
        var errno: String
    }

    /// Removing the flows of UDP Services whose backend has gone (spec 32).
    struct FlowCleanup: Sendable {
        var durations = Histogram.syncDuration
        var deleted: UInt64 = 0
    }

    var syncs = Histogram.syncDuration
    var fullSyncs = Histogram.syncDuration
    var partialSyncs = Histogram.syncDuration
    var phases: [Phase: Histogram] = [:]
    /// Entries written and removed by a sync that changed something.
    var writes = Histogram.exponential(from: 1, factor: 4, count: 10)
    var lastQueued: Date?
    var lastSynced: Date?
    var services = Changes()
    var endpoints = Changes()
    var nodes = Changes()
    var failures: [Failure: UInt64] = [:]
    var networkProgramming: [HealthFamily: Histogram] = [:]
    var flowCleanup: [HealthFamily: FlowCleanup] = [:]
    /// By the name of the source.
    var sources: [String: SourceCounts] = [:]

    /// 10 µs to 42 s.
    static var phaseDuration: Histogram { .exponential(from: 0.000_01, factor: 4, count: 12) }
}

/// What a source of objects went through: a watch of the API, or directories of manifests.
struct SourceCounts: Sendable, Hashable {
    /// Complete lists that were read.
    var lists: UInt64 = 0
    /// How often the stream of changes broke off and was begun anew.
    var restarts: UInt64 = 0
    /// Changes that came.
    var events: UInt64 = 0
    /// Time spent on decoding.
    var decoding = Duration.zero
}
