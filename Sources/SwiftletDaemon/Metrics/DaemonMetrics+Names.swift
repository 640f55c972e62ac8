import Observability

extension DaemonMetrics {
    /// Names of Services by DNS.
    static func names(_ names: NameStatistics?) -> [MetricFamily] {
        guard let names else { return [] }
        func gauge(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
            MetricFamily(.gauge, name, help, [.init([], .number(Double(value)))])
        }
        return [
            MetricFamily(
                .counter, "swiftlet_dns_questions_total", "Questions to the name server, by what became of them.",
                names.responses.sorted { $0.key < $1.key }.map { .init([.init("result", $0.key)], .count($0.value)) }),
            gauge("swiftlet_dns_services", "Services that have names.", names.services),
            gauge(
                "swiftlet_dns_remembered_answers", "Answers of upstream servers that are remembered.",
                names.rememberedAnswers),
            gauge("swiftlet_dns_remembered_bytes", "Bytes of these answers.", names.rememberedBytes),
        ]
    }
}
