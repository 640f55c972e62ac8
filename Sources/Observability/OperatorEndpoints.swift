package import Logging
import ServiceLifecycle

/// The endpoints for operators: `/healthz`, `/livez` and `/readyz` on one address, `/metrics`, `/proxyMode`,
/// `/healthz` and `/configz` on another (spec 46, 47).
package struct OperatorEndpoints: Service {
    /// What the metrics address shows; asked anew at every request.
    package struct Content: Sendable {
        package var metrics: @Sendable () async -> [MetricFamily]
        package var proxyMode: String
        /// JSON.
        package var configuration: @Sendable () async -> String
        /// The status page as HTML, whose style and script carry the nonce.
        package var page: @Sendable (_ nonce: String) async -> String

        package init(
            metrics: @escaping @Sendable () async -> [MetricFamily], proxyMode: String,
            configuration: @escaping @Sendable () async -> String,
            page: @escaping @Sendable (_ nonce: String) async -> String
        ) {
            self.metrics = metrics
            self.proxyMode = proxyMode
            self.configuration = configuration
            self.page = page
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
        case "/healthz", "/livez", "/readyz":
            guard request.reads else { return .methodNotAllowed }
            return switch request.path {
            case "/healthz": health.healthz()
            case "/readyz": health.readyz()
            default: health.livez()
            }
        default: return .notFound
        }
    }

    private static func answerMetrics(_ request: EndpointRequest, _ content: Content) async -> EndpointAnswer {
        switch request.path {
        case "/", "/metrics", "/proxyMode", "/healthz", "/configz":
            guard request.reads else { return .methodNotAllowed }
            switch request.path {
            case "/": return await answerPage(content)
            case "/metrics": return EndpointAnswer(.metrics, PrometheusText.text(of: await content.metrics()))
            case "/proxyMode": return EndpointAnswer(.text, content.proxyMode)
            case "/configz": return EndpointAnswer(.json, await content.configuration())
            default: return EndpointAnswer(.text, "ok")
            }
        default: return .notFound
        }
    }

    /// Nothing from elsewhere, and nothing that a name of an object could smuggle in, is run or shown.
    private static func answerPage(_ content: Content) async -> EndpointAnswer {
        let nonce = (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined()
        let policy = [
            "default-src 'none'", "style-src 'nonce-\(nonce)'", "script-src 'nonce-\(nonce)'", "connect-src 'self'",
            "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        ]
        return EndpointAnswer(
            .html, await content.page(nonce),
            headers: [
                "Content-Security-Policy": policy.joined(separator: "; "), "Cache-Control": "no-store",
                "Referrer-Policy": "no-referrer",
            ])
    }
}

/// Waits until the task is cancelled.
func untilCancelled() async {
    let never = AsyncStream<Never> { _ in }
    for await _ in never {}
}
