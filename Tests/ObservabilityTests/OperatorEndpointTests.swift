import Glibc
import NetworkLab
import ServiceLifecycle
import TestKit
import Testing

@testable import Observability

@Suite struct OperatorEndpointTests {
    private let listening = Listening()
    private let health = HealthMonitor()

    private func endpoints(
        health healthAddress: String = "", metrics: String = "", limits: HTTPService.Limits = .init()
    ) -> OperatorEndpoints {
        let content = OperatorEndpoints.Content(
            metrics: { [MetricFamily(.gauge, "a", "An a.", [.init([], .count(1))])] }, proxyMode: "ebpf",
            configuration: { #"{"a":1}"# }, page: { "<p>\($0)</p>" })
        return OperatorEndpoints(
            healthAddress: address(healthAddress), metricsAddress: address(metrics), health: health,
            content: content, problems: listening.problems, log: listening.log, pauses: Listening.pauses,
            limits: limits, onListening: listening.took)
    }

    private func address(_ text: String) -> ListenAddress? {
        ListenAddress(host: text, port: 0)
    }

    private func whileServing(
        health: String = "", metrics: String = "", limits: HTTPService.Limits = .init(),
        _ body: (UInt16) async throws -> Void
    ) async throws {
        let endpoints = endpoints(health: health, metrics: metrics, limits: limits)
        try await listening.during(endpoints) { try await body(await listening.port().port) }
    }

    @Test(
        "the metrics address shows metrics, mode, configuration and that it lives",
        arguments: [
            ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# HELP a An a.\n# TYPE a gauge\na 1\n"),
            ("/proxyMode", "text/plain; charset=utf-8", "ebpf"),
            ("/healthz?verbose", "text/plain; charset=utf-8", "ok"),
            ("/configz", "application/json", #"{"a":1}"#),
        ])
    func metricsAddress(path: String, content: String, body: String) async throws {
        try await whileServing(metrics: "127.0.0.1") { (port: UInt16) async throws in
            let reply = try await HTTPExchange.ask(path, port: port)
            #expect(reply.status == 200)
            #expect(reply.body == body)
            #expect(reply.headers["content-type"] == content)
            #expect(reply.headers["x-content-type-options"] == "nosniff")
            let head = try await HTTPExchange.ask(path, method: "HEAD", port: port)
            #expect(head.status == 200 && head.body.isEmpty)
            #expect(head.headers["content-length"] == "\(body.utf8.count)")
        }
    }

    @Test("the status page runs nothing but what carries the answer's own nonce")
    func page() async throws {
        try await whileServing(metrics: "127.0.0.1") { (port: UInt16) async throws in
            let replies = [try await HTTPExchange.ask("/", port: port), try await HTTPExchange.ask("/", port: port)]
            for reply in replies {
                #expect(reply.status == 200)
                #expect(reply.headers["content-type"] == "text/html; charset=utf-8")
                #expect(reply.headers["cache-control"] == "no-store")
                let nonce = reply.body.dropFirst(3).dropLast(4)
                let policy = try #require(reply.headers["content-security-policy"])
                #expect(nonce.count > 16 && policy.contains("script-src 'nonce-\(nonce)'"))
                #expect(policy.hasPrefix("default-src 'none'; "))
            }
            #expect(replies[0].body != replies[1].body)
        }
    }

    @Test("what is not there is not found, and nothing can be changed", arguments: ["POST", "PUT", "DELETE"])
    func otherRequests(method: String) async throws {
        try await whileServing(metrics: "127.0.0.1") { (port: UInt16) async throws in
            #expect(try await HTTPExchange.ask("/livez", port: port).status == 404)
            #expect(try await HTTPExchange.ask("/index.html", port: port).status == 404)
            let refused = try await HTTPExchange.ask("/metrics", method: method, port: port)
            #expect(refused.status == 405)
            #expect(refused.headers["allow"] == "GET, HEAD")
        }
    }

    @Test("an unspecified address answers both families", arguments: ["0.0.0.0", "::"], ["127.0.0.1", "::1"])
    func bothFamilies(unspecified: String, client: String) async throws {
        try await whileServing(health: unspecified) { (port: UInt16) async throws in
            for path in ["/healthz", "/livez"] {
                let reply = try await HTTPExchange.ask(path, at: client, port: port)
                #expect(reply.status == 200)
                #expect(reply.headers["content-type"] == "application/json")
                #expect(reply.headers["x-content-type-options"] == "nosniff")
            }
            #expect(try await HTTPExchange.ask("/readyz", at: client, port: port).status == 503)
            #expect(try await HTTPExchange.ask("/metrics", at: client, port: port).status == 404)
            #expect(try await HTTPExchange.ask("/healthz", method: "POST", at: client, port: port).status == 405)
        }
        #expect(health.probes.healthz == [200: 1, 503: 0])
        #expect(health.probes.livez == [200: 1, 503: 0])
    }

    @Test("a node that is going away fails healthz and not livez")
    func goingNode() async throws {
        health.setNode(.present(isBeingDeleted: true, taints: []))
        try await whileServing(health: "::1") { (port: UInt16) async throws in
            #expect(try await HTTPExchange.ask("/healthz", at: "::1", port: port).status == 503)
            #expect(try await HTTPExchange.ask("/livez", at: "::1", port: port).status == 200)
        }
        #expect(health.probes.healthz == [200: 0, 503: 1])
    }

    @Test("the two addresses do not depend on each other: one with a taken port tells who has it, and gets it later")
    func takenPort() async throws {
        var stranger: Stranger? = try Stranger()
        let port = try #require(stranger?.port)
        let endpoints = OperatorEndpoints(
            healthAddress: ListenAddress(host: "127.0.0.1", port: port),
            metricsAddress: ListenAddress(host: "127.0.0.1", port: 0), health: health,
            content: .init(metrics: { [] }, proxyMode: "ebpf", configuration: { "{}" }, page: { _ in "" }),
            problems: listening.problems,
            log: listening.log, pauses: Listening.pauses, onListening: listening.took)
        try await listening.during(endpoints) { () async throws in
            let complaint = await listening.complaint()
            #expect(
                complaint.hasPrefix("cannot listen on 127.0.0.1:\(port) for health: address already in use by PID "))
            #expect(complaint.hasSuffix("; stop that process or change --healthz-bind-address"))
            #expect(listening.problems.all == [complaint])
            let first = await listening.port()
            #expect(first.purpose == "metrics")
            #expect(try await HTTPExchange.ask("/healthz", port: first.port).status == 200)
            stranger = nil
            #expect(await listening.port() == ("health", port))
            #expect(listening.problems.all.isEmpty)
            #expect(try await HTTPExchange.ask("/livez", port: port).status == 200)
        }
    }

    @Test("who asks for it has all tried now, instead of after a pause")
    func triesNow() async throws {
        var stranger: Stranger? = try Stranger()
        let port = try #require(stranger?.port)
        let endpoints = OperatorEndpoints(
            healthAddress: ListenAddress(host: "127.0.0.1", port: port), metricsAddress: nil, health: health,
            content: .init(metrics: { [] }, proxyMode: "ebpf", configuration: { "{}" }, page: { _ in "" }),
            problems: listening.problems,
            log: listening.log, pauses: .init(first: .seconds(600), last: .seconds(600)), onListening: listening.took)
        try await listening.during(endpoints) { () async throws in
            _ = await listening.complaint()
            await listening.problems.tryNow()
            #expect(listening.problems.all.count == 1)
            stranger = nil
            // It may not wait yet.
            while !listening.problems.all.isEmpty { await listening.problems.tryNow() }
            #expect(try await HTTPExchange.ask("/livez", port: port).status == 200)
        }
    }

    @Test("an address that is not ours is a problem with its cause")
    func foreignAddress() async throws {
        let endpoints = OperatorEndpoints(
            healthAddress: ListenAddress(host: "192.0.2.1", port: 10_256), metricsAddress: nil, health: health,
            content: .init(metrics: { [] }, proxyMode: "ebpf", configuration: { "{}" }, page: { _ in "" }),
            problems: listening.problems,
            log: listening.log, pauses: Listening.pauses, onListening: listening.took)
        let complaint = try await listening.during(endpoints) { () async throws in await listening.complaint() }
        #expect(
            complaint == """
                cannot listen on 192.0.2.1:10256 for health: cannot assign requested address; \
                check --healthz-bind-address
                """)
    }

    @Test("it ends when it is told to, whoever is connected", arguments: [true, false])
    func ends(isOperators: Bool) async throws {
        let checks = HealthCheckPorts(
            proxyIsHealthy: { true }, problems: listening.problems, log: listening.log, pauses: Listening.pauses,
            onListening: { [listening] in listening.took("", $0) })
        checks.update([try Stranger().port: HealthCheck(namespace: "shop", name: "web", localEndpoints: 1)])
        let service: any Service = isOperators ? endpoints(metrics: "127.0.0.1") : checks
        let group = ServiceGroup(configuration: .init(services: [.init(service: service)], logger: listening.log))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let port = await listening.port().port
            let idle = try await onThread { try HTTPExchange.Client(port: port) }
            #expect(try await HTTPExchange.ask("/healthz", port: port).status == 200)
            await group.triggerGracefulShutdown()
            try await tasks.next()
            #expect(try await onThread { try idle.readToEnd() } == "")
            await #expect(throws: SocketError("connect", ECONNREFUSED)) { try await HTTPExchange.ask("/", port: port) }
        }
    }

    @Test("a listener may close at the moment when a client comes", arguments: 1...40)
    func closingInTheMiddle(round: Int) async throws {
        let address = try #require(ListenAddress(host: "127.0.0.1", port: 0))
        let (ports, bound) = AsyncStream<UInt16>.makeStream()
        let (arrivals, arrived) = AsyncStream<Void>.makeStream()
        try await withThrowingTaskGroup { group in
            group.addTask {
                try await HTTPListener(address: address) { _ in .notFound }.run { bound.yield($0) }
            }
            var iterator = ports.makeAsyncIterator()
            let port = try #require(await iterator.next(isolation: nil))
            let refused = Task {
                // Who is refused found the listener closed: the moment was in between.
                _ = await #expect(throws: SocketError.self) {
                    try await onThread { () throws in
                        var clients: [HTTPExchange.Client] = []
                        while clients.count < 10_000 {
                            clients.append(try HTTPExchange.Client(port: port))
                            if clients.count == 4 * round { arrived.finish() }
                        }
                    }
                }
                arrived.finish()
            }
            for await _ in arrivals {}
            group.cancelAll()
            try await group.waitForAll()
            await refused.value
        }
    }

    /// With more patience than a busy machine takes.
    private static let two = HTTPService.Limits(connections: 2, patience: .seconds(600), lifetime: .seconds(600))

    @Test("a connection too many closes the oldest, so slow clients keep nobody out")
    func manyConnections() async throws {
        try await whileServing(metrics: "127.0.0.1", limits: Self.two) { (port: UInt16) async throws in
            let slow = try await onThread { try HTTPExchange.Client(port: port) }
            let alsoSlow = try await onThread { try HTTPExchange.Client(port: port) }
            #expect(try await HTTPExchange.ask("/proxyMode", port: port).body == "ebpf")
            // The oldest was closed for it; the other one can still ask.
            #expect(try await onThread { try slow.readToEnd() } == "")
            let answer = try await onThread {
                try alsoSlow.say("GET /proxyMode HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
                return try alsoSlow.readToEnd()
            }
            #expect(answer.hasSuffix("ebpf"))
        }
    }

    @Test(
        "a client that does not come to the point is closed",
        arguments: [
            HTTPService.Limits(patience: .milliseconds(50)), HTTPService.Limits(lifetime: .milliseconds(50)),
        ], ["", "GET /metrics HTTP/1.1\r\nX-Slow: "])
    func slowClient(limits: HTTPService.Limits, words: String) async throws {
        try await whileServing(metrics: "127.0.0.1", limits: limits) { (port: UInt16) async throws in
            let said = try await onThread {
                let client = try HTTPExchange.Client(port: port)
                try client.say(words)
                return try client.readToEnd()
            }
            #expect(said == "")
        }
    }

    @Test("a head that is too long is refused")
    func longHead() async throws {
        try await whileServing(metrics: "127.0.0.1") { (port: UInt16) async throws in
            let said = try await onThread {
                let client = try HTTPExchange.Client(port: port)
                try client.say("GET /metrics HTTP/1.1\r\nX: \(String(repeating: "x", count: 20_000))\r\n")
                return try client.readToEnd()
            }
            #expect(!said.contains(" 200 "))
        }
    }
}
