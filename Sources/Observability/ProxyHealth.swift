package import FoundationEssentials
import SystemCalls

/// The IP families, as kube-proxy writes them in bodies and labels.
package enum HealthFamily: String, Sendable, Hashable, CaseIterable {
    case ipv4 = "IPv4"
    case ipv6 = "IPv6"
}

/// A moment on two clocks: the date is shown, the instant measures, since dates may be set back.
package struct Moment: Sendable, Hashable {
    package var date: Date
    package var instant: ContinuousClock.Instant

    package init(date: Date, instant: ContinuousClock.Instant) {
        self.date = date
        self.instant = instant
    }

    package static var now: Moment { Moment(date: Date(), instant: .now) }
}

/// What the cluster says of the node (spec 46).
package enum NodeCondition: Sendable, Hashable {
    /// The cluster autoscaler puts it on a node that it is about to delete.
    package static let deletionTaint = "ToBeDeletedByClusterAutoscaler"

    /// Nothing was heard of it yet: it is eligible while we start.
    case unknown
    case present(isBeingDeleted: Bool, taints: [String])
    case gone

    package var isEligible: Bool {
        switch self {
        case .unknown: true
        case .present(let isBeingDeleted, let taints): !isBeingDeleted && !taints.contains(Self.deletionTaint)
        case .gone: false
        }
    }
}

/// Whether what was queued gets programmed in time (spec 46). A value: it is told what happens and when.
package struct ProxyHealth: Sendable {
    /// An update that waits longer than this makes the proxy stale.
    private let limit: Duration
    private var lastUpdate: [HealthFamily: Moment] = [:]
    private var oldestQueued: [HealthFamily: Moment] = [:]
    package var node = NodeCondition.unknown
    /// The first complete list is programmed, and the hooks are attached.
    package var isReady = false

    /// - Parameter syncPeriod: an update is late after twice this time.
    package init(syncPeriod: Duration = .seconds(30)) { limit = syncPeriod * 2 }

    /// A change was seen that concerns the family and is not programmed yet.
    package mutating func queue(_ family: HealthFamily, at moment: Moment) {
        if oldestQueued[family] == nil { oldestQueued[family] = moment }
    }

    /// All that was seen of the family is programmed.
    package mutating func update(_ family: HealthFamily, at moment: Moment) {
        oldestQueued[family] = nil
        lastUpdate[family] = moment
    }

    package func isHealthy(at moment: Moment) -> Bool {
        HealthFamily.allCases.allSatisfy { isHealthy($0, at: moment) }
    }

    package func isHealthy(_ family: HealthFamily, at moment: Moment) -> Bool {
        guard let oldest = oldestQueued[family] else { return true }
        return moment.instant - oldest.instant < limit
    }
}

// MARK: - Answers

extension ProxyHealth {
    /// `/healthz`: 503 too if the node should get no new traffic.
    package func healthz(at moment: Moment) -> EndpointAnswer {
        answer(isWell: isHealthy(at: moment) && node.isEligible, showsNode: true, at: moment)
    }

    /// `/livez`: whether a restart could help, so whatever the node is about to do.
    package func livez(at moment: Moment) -> EndpointAnswer {
        answer(isWell: isHealthy(at: moment), showsNode: false, at: moment)
    }

    /// `/readyz`: whether Services work here as the cluster wants them.
    package func readyz(at moment: Moment) -> EndpointAnswer {
        answer(isWell: isReady && isHealthy(at: moment), showsNode: false, at: moment, extra: [("ready", "\(isReady)")])
    }

    /// The keys are kube-proxy's, in its order. As there, `lastUpdated` is the present moment when all is well, and
    /// `healthy` does not know of the node.
    private func answer(
        isWell: Bool, showsNode: Bool, at moment: Moment, extra: [(key: String, value: String)] = []
    ) -> EndpointAnswer {
        let latest = lastUpdate.values.map(\.date).max()
        var members = [
            (key: "lastUpdated", value: Self.text(isWell ? moment.date : latest)),
            (key: "currentTime", value: Self.text(moment.date)),
        ]
        if showsNode { members.append(("nodeEligible", "\(node.isEligible)")) }
        members.append(("healthy", "\(isHealthy(at: moment))"))
        members += extra
        let families = HealthFamily.allCases.filter { lastUpdate[$0] != nil || oldestQueued[$0] != nil }
        if !families.isEmpty {
            let status = families.map { family in
                let healthy = "\(isHealthy(family, at: moment))"
                return (
                    key: family.rawValue,
                    value: JSONText.object([
                        ("lastUpdated", Self.text(lastUpdate[family]?.date)), ("healthy", healthy),
                    ])
                )
            }
            members.append(("status", JSONText.object(status)))
        }
        return EndpointAnswer(status: isWell ? 200 : 503, .json, JSONText.object(members))
    }

    /// RFC 3339; the year 1 is how kube-proxy says never.
    private static func text(_ date: Date?) -> String {
        guard let date else { return "\"0001-01-01T00:00:00Z\"" }
        return JSONText.string(date.ISO8601Format(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
    }
}
