package import Logging
import ServiceLifecycle

/// The endpoints for those who operate the node: `/healthz` and `/livez` on one address, `/metrics`, `/proxyMode`,
/// `/healthz` and `/configz` on another (spec 46, 47).
package struct OperatorEndpoints: Service {
    /// What the metrics address shows; asked anew at every request.
    package struct Content: Sendable {
        package var metrics: @Sendable () async -> [MetricFamily]
        package var proxyMode: String
        /// JSON.
        package var configuration: @Sendable () async -> String

        package init(
            metrics: @escaping @Sendable () async -> [MetricFamily], proxyMode: String,
            configuration: @escaping @Sendable () async -> String
        ) {
            self.metrics = metrics
            self.proxyMode = proxyMode
            self.configuration = configuration
        }
    }

    private let listeners: [PersistentListener]

    /// - Parameters:
    ///   - healthAddress: nil to do without.
    ///   - metricsAddress: nil to do without.
    package init(
        healthAddress: ListenAddress?, metricsAddress: ListenAddress?, health: HealthMonitor, content: Content,
        problems: ListenProblems, log: Logger
    ) {
        self.init(
            healthAddress: healthAddress, metricsAddress: metricsAddress, health: health, content: content,
            problems: problems, log: log, pauses: .init(), onListening: { _, _ in })
    }

    /// - Parameter onListening: called with the purpose and the port.
    init(
        healthAddress: ListenAddress?, metricsAddress: ListenAddress?, health: HealthMonitor, content: Content,
        problems: ListenProblems, log: Logger, pauses: PersistentListener.Pauses,
        limits: HTTPService.Limits = .init(), onListening: @escaping @Sendable (String, UInt16) -> Void
    ) {
        let wanted: [(ListenAddress?, String, String, @Sendable (EndpointRequest) async -> EndpointAnswer)] = [
            (healthAddress, "health", "healthz", { Self.answerHealth($0, health) }),
            (metricsAddress, "metrics", "metrics", { await Self.answerMetrics($0, content) }),
        ]
        listeners = wanted.compactMap { address, purpose, flag, answer in
            address.map { address in
                PersistentListener(
                    listener: HTTPListener(address: address, limits: limits, answer: answer), purpose: { purpose },
                    setting: "--\(flag)-bind-address", pauses: pauses, problems: problems,
                    log: log, onListening: { onListening(purpose, $0) })
            }
        }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for listener in listeners { group.addTask { await listener.run() } }
                // A part that ends early would end the daemon, and there may be nothing to listen on.
                group.addTask { await untilCancelled() }
            }
        }
    }

    private static func answerHealth(_ request: EndpointRequest, _ health: HealthMonitor) -> EndpointAnswer {
        switch request.path {
        case "/healthz", "/livez":
            guard request.reads else { return .methodNotAllowed }
            return request.path == "/healthz" ? health.healthz() : health.livez()
        default: return .notFound
        }
    }

    private static func answerMetrics(_ request: EndpointRequest, _ content: Content) async -> EndpointAnswer {
        switch request.path {
        case "/metrics", "/proxyMode", "/healthz", "/configz":
            guard request.reads else { return .methodNotAllowed }
            switch request.path {
            case "/metrics": return EndpointAnswer(.metrics, PrometheusText.text(of: await content.metrics()))
            case "/proxyMode": return EndpointAnswer(.text, content.proxyMode)
            case "/configz": return EndpointAnswer(.json, await content.configuration())
            default: return EndpointAnswer(.text, "ok")
            }
        default: return .notFound
        }
    }
}

/// Waits until the task is cancelled.
func untilCancelled() async {
    let never = AsyncStream<Never> { _ in }
    for await _ in never {}
}
