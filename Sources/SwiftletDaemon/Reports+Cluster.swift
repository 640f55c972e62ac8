import DatapathInstall
import FoundationEssentials
import KubernetesAPI

extension DaemonReport {
    /// The same with what the source says of its watches; one that does not stand is a problem.
    func with(_ statistics: SourceStatistics?) -> DaemonReport {
        guard let statistics else { return self }
        var report = self
        report.watches = statistics.resources.sorted { $0.key < $1.key }.map { Watch($0.key, $0.value) }
        let complaints = statistics.complaints
        report.problems += complaints
        if !statistics.isSynchronized && complaints.isEmpty {
            report.problems.append(
                "the complete list has not come yet: Services work as they were, and nothing is removed; see the log")
        }
        return report
    }
}

extension DaemonReport {
    /// The same with what became of the devices.
    func with(_ network: DeviceKeeper.Report?) -> DaemonReport {
        guard let network else { return self }
        var report = self
        report.devices = network.devices
        report.packets = network.packets
        report.problems += network.problems
        report.risks += network.risks
        return report
    }
}

extension DaemonReport.Watch {
    init(_ resource: String, _ statistics: SourceStatistics.Resource) {
        self.init(
            resource: resource, url: statistics.url,
            since: statistics.connectedSince.map { Date(timeIntervalSince1970: $0) },
            lostSince: statistics.lostSince.map { Date(timeIntervalSince1970: $0) }, objects: statistics.objects,
            events: statistics.events, lists: statistics.lists,
            restarts: Dictionary(
                uniqueKeysWithValues: statistics.restarts.map { ($0.key.rawValue, $0.value) }),
            lastError: statistics.lastError)
    }
}

extension SourceStatistics {
    /// One line for all that one trouble keeps from being followed.
    fileprivate var complaints: [String] {
        let lost = resources.filter { $0.value.url == nil && $0.value.trouble != nil }
        let byTrouble = Dictionary(grouping: lost.keys.sorted()) { lost[$0]?.trouble ?? "" }
        return byTrouble.sorted { $0.key < $1.key }.map { trouble, names in
            let since = names.compactMap { lost[$0]?.lostSince }.min().map {
                " since \(Date(timeIntervalSince1970: $0.rounded(.down)).formatted(.iso8601))"
            }
            return "cannot follow \(names.joined(separator: ", "))\(since ?? ""): \(trouble)"
        }
    }
}
