package import Logging
import ServiceLifecycle
import Synchronization
import SystemCalls

/// What a load balancer that asks a health check port is told (spec 26, 45).
package struct HealthCheck: Sendable, Hashable {
    package var namespace: String
    package var name: String
    /// Ready endpoints of the Service on this node.
    package var localEndpoints: Int

    package init(namespace: String, name: String, localEndpoints: Int) {
        self.namespace = namespace
        self.name = name
        self.localEndpoints = localEndpoints
    }

    /// The same for every path and method, as kube-proxy does it.
    func answer(proxyIsHealthy: Bool) -> EndpointAnswer {
        let service = JSONText.object([
            ("namespace", JSONText.string(namespace)), ("name", JSONText.string(name)),
        ])
        let body = JSONText.object([
            ("service", service), ("localEndpoints", "\(localEndpoints)"), ("serviceProxyHealthy", "\(proxyIsHealthy)"),
        ])
        return EndpointAnswer(
            status: localEndpoints > 0 && proxyIsHealthy ? 200 : 503, .json, body,
            headers: ["X-Load-Balancing-Endpoint-Weight": "\(localEndpoints)"])
    }
}

/// Listens on the `healthCheckNodePort` of each Service that has one, and follows the set as it changes (spec 45).
///
/// A port that cannot be had disturbs no other; a count that changes is a new answer and nothing else.
package final class HealthCheckPorts: Service {
    private struct Wanted: Sendable {
        var checks: [UInt16: HealthCheck] = [:]
        var hosts: [String] = ["::"]
    }

    private let wanted = Mutex(Wanted())
    private let changes: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private let proxyIsHealthy: @Sendable () -> Bool
    private let problems: ListenProblems
    private let pauses: PersistentListener.Pauses
    private let log: Logger
    private let limit: Int
    private let connections: ConnectionQueue
    private let onListening: @Sendable (UInt16) -> Void

    /// Descriptors are left for the rest of the process, however many clients connect to however many ports.
    ///
    /// - Parameters:
    ///   - limit: on how many addresses it listens at most.
    ///   - connections: how many it has at most, to all of them together.
    package convenience init(
        proxyIsHealthy: @escaping @Sendable () -> Bool, problems: ListenProblems, log: Logger, limit: Int,
        connections: Int
    ) {
        self.init(
            proxyIsHealthy: proxyIsHealthy, problems: problems, log: log, limit: limit, connections: connections,
            pauses: .init(), onListening: { _ in })
    }

    init(
        proxyIsHealthy: @escaping @Sendable () -> Bool, problems: ListenProblems, log: Logger, limit: Int = .max,
        connections: Int = 64, pauses: PersistentListener.Pauses, onListening: @escaping @Sendable (UInt16) -> Void
    ) {
        self.limit = limit
        self.connections = ConnectionQueue(atMost: connections)
        self.proxyIsHealthy = proxyIsHealthy
        self.problems = problems
        self.log = log
        self.pauses = pauses
        self.onListening = onListening
        (changes, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Replaces the wanted set.
    /// - Parameter hosts: the IP addresses that serve NodePorts; nil for all addresses of the machine.
    package func update(_ checks: [UInt16: HealthCheck], hosts: [String]? = nil) {
        wanted.withLock { $0 = Wanted(checks: checks, hosts: hosts ?? ["::"]) }
        signal.yield()
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                var open: [ListenAddress: OpenPort] = [:]
                for await _ in self.changes { await self.follow(&open, in: &group) }
                group.cancelAll()
            }
        }
    }

    /// Closes what is no longer wanted, and waits for it: the same port may be wanted on other addresses.
    private func follow(_ open: inout [ListenAddress: OpenPort], in group: inout DiscardingTaskGroup) async {
        let wanted = wanted.withLock(\.self)
        let all = wanted.checks.keys.sorted().flatMap { port in
            wanted.hosts.compactMap { ListenAddress(host: $0, port: port) }
        }
        let addresses = Set(all.prefix(limit))
        problems.setOverLimit(
            all.count > limit
                ? "cannot listen on \(all.count - limit) of \(all.count) addresses for health checks: the limit of open "
                    + "files leaves room for \(limit); raise it (LimitNOFILE of the unit)" : nil)
        for (address, port) in open where !addresses.contains(address) {
            open[address] = nil
            await port.close()
        }
        for address in addresses.subtracting(open.keys) {
            let port = OpenPort()
            open[address] = port
            group.addTask { [listener = self.listener(on: address)] in await port.keepOpen(listener) }
        }
    }

    private func listener(on address: ListenAddress) -> PersistentListener {
        PersistentListener(
            listener: HTTPListener(address: address, limits: .init(shared: connections)) { [weak self] _ in
                guard let self, let check = wanted.withLock({ $0.checks[address.port] }) else { return .notFound }
                return check.answer(proxyIsHealthy: proxyIsHealthy())
            },
            purpose: { [weak self] in
                let check = self?.wanted.withLock { $0.checks[address.port] }
                return check.map { "health checks of \($0.namespace)/\($0.name)" } ?? "health checks"
            },
            setting: "the healthCheckNodePort", pauses: pauses, problems: problems,
            log: log, onListening: onListening)
    }
}

/// A listener in a task of its own, which others can close.
private struct OpenPort: Sendable {
    private let wish = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    private let end = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// Returns when it is closed, or the task cancelled.
    func keepOpen(_ listener: PersistentListener) async {
        await withTaskGroup { group in
            group.addTask { await listener.run() }
            for await _ in wish.stream {}
            group.cancelAll()
        }
        end.continuation.finish()
    }

    func close() async {
        wish.continuation.finish()
        for await _ in end.stream {}
    }
}
