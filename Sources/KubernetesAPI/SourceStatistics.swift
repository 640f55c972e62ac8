import Synchronization

/// What a source has done so far, for `status` and for metrics.
package struct SourceStatistics: Sendable, Hashable {
    /// Why a watch ended that was not asked to.
    package enum Restart: String, Sendable, Hashable, CaseIterable {
        /// It had lasted as long as it was asked to.
        case ended
        case expired
        case streamError
        case otherHistory
        case interrupted
        case silent
        case unreachable
        case refused
        case malformed
        case credentials
    }

    package struct Resource: Sendable, Hashable {
        package var lists = 0
        package var listedPages = 0
        package var watches = 0
        package var restarts: [Restart: Int] = [:]
        package var events = 0
        package var bookmarks = 0
        package var objects = 0
        package var decodeNanoseconds = 0
        /// Seconds since 1970.
        package var lastEventAt: Double?
        /// The API server that is watched now; nil between watches.
        package var url: String?
        package var connectedSince: Double?
        /// When following failed first since it was watched last; nil while it is.
        package var lostSince: Double?
        package var lastError: String?
        /// The same without what was being done: several resources may have it in common.
        package var trouble: String?

        package init() {}
    }

    /// By the name that the API has for them: `services`, `endpointslices`, `nodes`.
    package var resources: [String: Resource] = [:]
    /// The complete list has been handed on.
    package var isSynchronized = false

    package init(resources: [String: Resource] = [:], isSynchronized: Bool = false) {
        self.resources = resources
        self.isSynchronized = isSynchronized
    }

    /// Everything that is needed is being watched.
    package var isConnected: Bool { !resources.isEmpty && resources.values.allSatisfy { $0.url != nil } }

    /// An API server has answered all that is needed, and goes on to: a watch that is begun anew is no outage.
    package var isUp: Bool { isSynchronized && resources.values.allSatisfy { $0.connectedSince != nil } }
}

/// Where the followers write what they do.
final class StatisticsBoard: Sendable {
    private let resources = Mutex<[String: SourceStatistics.Resource]>([:])

    func update(_ resource: String, _ change: (inout SourceStatistics.Resource) -> Void) {
        resources.withLock { change(&$0[resource, default: SourceStatistics.Resource()]) }
    }

    var all: [String: SourceStatistics.Resource] { resources.withLock { $0 } }
}
