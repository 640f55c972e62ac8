import FoundationEssentials
import Observability

/// The metrics that kube-proxy has as well, under its names and with its labels and buckets (spec 48).
///
/// One sync programs both families, so what kube-proxy measures for each is here the same for both.
extension DaemonMetrics {
    static func kubeProxyFamilies(of snapshot: MetricsSnapshot) -> [MetricFamily] {
        durations(snapshot.sync) + freshness(snapshot.sync) + backlog(snapshot.sync) + [
            MetricFamily(
                .gauge, "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
                "Service ports with a Local policy that have endpoints, and none on this node.",
                HealthFamily.allCases.flatMap { family in
                    EndpointGaps.Policy.allCases.map { policy in
                        MetricFamily.Sample(
                            [label(family), .init("traffic_policy", policy.rawValue)],
                            .count(snapshot.wanted.gaps.counts[.init(family: family, policy: policy)] ?? 0))
                    }
                }),
            probes("kubeproxy_proxy_healthz_total", "Answers of /healthz, by code.", snapshot.probes.healthz),
            probes("kubeproxy_proxy_livez_total", "Answers of /livez, by code.", snapshot.probes.livez),
        ] + flowCleanup(snapshot.sync)
    }

    private static func durations(_ sync: SyncStatistics) -> [MetricFamily] {
        func family(_ name: String, _ help: String, _ histogram: Histogram) -> MetricFamily {
            MetricFamily(
                .histogram, name, help, HealthFamily.allCases.map { .init([label($0)], .histogram(histogram)) })
        }
        return [
            family("kubeproxy_sync_proxy_rules_duration_seconds", "Duration of a sync.", sync.syncs),
            family(
                "kubeproxy_sync_full_proxy_rules_duration_seconds", "Duration of a sync of all Services.",
                sync.fullSyncs),
            family(
                "kubeproxy_sync_partial_proxy_rules_duration_seconds", "Duration of a sync of changed Services.",
                sync.partialSyncs),
            MetricFamily(
                .histogram, "kubeproxy_network_programming_duration_seconds",
                "Time from the change of an endpoint, as its slice tells it, to the maps.",
                HealthFamily.allCases.map { family in
                    .init([label(family)], .histogram(sync.networkProgramming[family] ?? .networkProgramming))
                }),
        ]
    }

    private static func freshness(_ sync: SyncStatistics) -> [MetricFamily] {
        [
            ("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "When all was programmed last.", sync.lastSynced),
            (
                "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "When a change was seen last.",
                sync.lastQueued
            ),
        ].map { name, help, date in
            MetricFamily(
                .gauge, name, help,
                HealthFamily.allCases.map { .init([label($0)], .number(date?.timeIntervalSince1970 ?? 0)) })
        }
    }

    private static func backlog(_ sync: SyncStatistics) -> [MetricFamily] {
        [("endpoint", "EndpointSlices", sync.endpoints), ("service", "Services", sync.services)]
            .flatMap { name, objects, changes in
                [
                    MetricFamily(
                        .gauge, "kubeproxy_sync_proxy_rules_\(name)_changes_pending",
                        "Changes of \(objects) that are not programmed yet.", [.init([], .count(changes.pending))]),
                    MetricFamily(
                        .counter, "kubeproxy_sync_proxy_rules_\(name)_changes_total",
                        "Changes of \(objects) that were seen.", [.init([], .count(changes.seen))]),
                ]
            }
    }

    private static func probes(_ name: String, _ help: String, _ counts: [Int: UInt64]) -> MetricFamily {
        MetricFamily(
            .counter, name, help,
            counts.sorted { $0.key < $1.key }.map { .init([.init("code", "\($0.key)")], .count($0.value)) })
    }

    private static func flowCleanup(_ sync: SyncStatistics) -> [MetricFamily] {
        let cleanups = HealthFamily.allCases.compactMap { family in sync.flowCleanup[family].map { (family, $0) } }
        return [
            MetricFamily(
                .histogram, "kubeproxy_conntrack_reconciler_sync_duration_seconds",
                "Duration of removing the flows of UDP Services to backends that are gone.",
                cleanups.map { .init([label($0.0)], .histogram($0.1.durations)) }),
            MetricFamily(
                .counter, "kubeproxy_conntrack_reconciler_deleted_entries_total",
                "Flows of UDP Services to backends that are gone, removed.",
                cleanups.map { .init([label($0.0)], .count($0.1.deleted)) }),
        ]
    }

    private static func label(_ family: HealthFamily) -> MetricFamily.Label { .init("ip_family", family.rawValue) }
}
