import Observability
import ServiceModel

extension DaemonMetrics {
    /// Sockets whose backend is gone.
    static func sockets(_ report: SocketDestroyReport?) -> [MetricFamily] {
        guard let report else { return [] }
        func family(_ kind: MetricFamily.Kind, _ name: String, _ help: String, _ value: Int) -> MetricFamily {
            let number: MetricFamily.Value = kind == .counter ? .count(UInt64(value)) : .number(Double(value))
            return MetricFamily(kind, name, help, [.init([], number)])
        }
        return [
            MetricFamily(
                .counter, "swiftlet_sockets_destroyed_total",
                "Sockets that were destroyed because their backend is gone.",
                [IPProtocol.tcp, .udp].map { proto in
                    .init([.init("protocol", "\(proto)")], .count(UInt64(report.destroyed["\(proto)"] ?? 0)))
                }),
            family(
                .counter, "swiftlet_socket_destroy_refusals_total", "Sockets that the kernel would not destroy.",
                report.refused),
            family(
                .counter, "swiftlet_socket_destroy_failures_total",
                "Sweeps over the sockets of all network namespaces that failed.", report.failures),
            family(
                .gauge, "swiftlet_socket_destroy_postponed", "Sockets that wait for the limit of each second.",
                report.postponed),
            family(
                .gauge, "swiftlet_socket_destroy_possible", "1 if sockets can be destroyed and are to be, else 0.",
                report.mechanism == nil ? 0 : 1),
        ]
    }
}
