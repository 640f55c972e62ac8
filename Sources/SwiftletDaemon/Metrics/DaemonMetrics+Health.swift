import KubernetesAPI
import Observability

extension DaemonMetrics {
    /// Whether the hooks do what they should.
    static func hooks(_ hooks: HookMetrics?) -> [MetricFamily] {
        guard let hooks else { return [] }
        return [
            MetricFamily(
                .gauge, "swiftlet_hooks_attached", "1 if the program is attached to the hook of the cgroup, else 0.",
                hooks.attached.sorted { $0.key < $1.key }.map {
                    .init([.init("hook", $0.key)], .number($0.value ? 1 : 0))
                }),
            flag(
                "swiftlet_effective", "1 if a connect to a VIP is translated, 0 if it passes untouched.",
                hooks.isEffective),
        ]
    }

    /// Whether the cluster answers, and what it answered; the second as client-go has it, which kube-proxy is made with.
    static func cluster(_ snapshot: MetricsSnapshot) -> [MetricFamily] {
        [
            flag(
                "swiftlet_api_server_up", "1 if an API server answers all that is needed, else 0.",
                snapshot.wanted.isAPIServerUp),
            MetricFamily(
                .counter, "rest_client_requests_total",
                "Requests to API servers, by code of the answer, method and host.",
                snapshot.requests.sorted { $0.key < $1.key }.map { kind, count in
                    let labels = [("code", kind.code), ("method", kind.method), ("host", kind.host)]
                    return .init(labels.map { MetricFamily.Label($0.0, $0.1) }, .count(count))
                }),
            MetricFamily(
                .histogram, "rest_client_request_duration_seconds",
                "Time to the head of the answer of an API server, by method and host.",
                snapshot.latencies.sorted { $0.key < $1.key }.map { way, histogram in
                    .init([.init("verb", way.method), .init("host", way.host)], .histogram(histogram))
                }),
        ]
    }

    /// Without a sample where it is not known.
    private static func flag(_ name: String, _ help: String, _ value: Bool?) -> MetricFamily {
        MetricFamily(.gauge, name, help, value.map { [.init([], .number($0 ? 1 : 0))] } ?? [])
    }
}
