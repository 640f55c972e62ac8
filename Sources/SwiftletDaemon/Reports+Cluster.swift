import FoundationEssentials
import KubernetesAPI

extension DaemonReport {
    /// The same with what the source says of its watches; one that does not stand is a problem.
    func with(_ statistics: SourceStatistics?) -> DaemonReport {
        guard let statistics else { return self }
        var report = self
        report.watches = statistics.resources.sorted { $0.key < $1.key }.map { Watch($0.key, $0.value) }
        report.problems += report.watches.compactMap(\.complaint)
        if !statistics.isSynchronized {
            report.problems.append(
                "the complete list has not come yet: Services work as they were, and nothing is removed; see the log")
        }
        return report
    }
}

extension DaemonReport.Watch {
    init(_ resource: String, _ statistics: SourceStatistics.Resource) {
        self.init(
            resource: resource, url: statistics.url,
            since: statistics.connectedSince.map { Date(timeIntervalSince1970: $0) }, objects: statistics.objects,
            events: statistics.events, lists: statistics.lists,
            restarts: Dictionary(
                uniqueKeysWithValues: statistics.restarts.map { ($0.key.rawValue, $0.value) }),
            lastError: statistics.lastError)
    }

    fileprivate var complaint: String? {
        guard url == nil, let lastError else { return nil }
        return "\(resource) are not followed, what was known stays in force: \(lastError)"
    }
}
