import NetworkLab
import TestKit
import Testing

@testable import Observability
@testable import SwiftletDaemon

@Suite struct HealthCheckPortTests {
    private let listening = Listening()

    private func ports(limit: Int = .max, connections: Int = 64) -> HealthCheckPorts {
        HealthCheckPorts(
            proxyIsHealthy: { true }, problems: listening.problems, log: listening.log, limit: limit,
            connections: connections, pauses: Listening.pauses,
            onListening: { [listening] in listening.took("", $0) })
    }

    private func check(_ localEndpoints: Int, of name: String = "web") -> HealthCheck {
        HealthCheck(namespace: "shop", name: name, localEndpoints: localEndpoints)
    }

    /// A port that was free a moment ago.
    private func freePort() throws -> UInt16 { try Stranger().port }

    @Test(
        "it answers 200 only with a local endpoint and a healthy proxy",
        arguments: [(2, true, 200), (0, true, 503), (2, false, 503)])
    func answer(localEndpoints: Int, proxyIsHealthy: Bool, status: Int) {
        let answer = check(localEndpoints).answer(proxyIsHealthy: proxyIsHealthy)
        #expect(answer.status == status)
        #expect(answer.content == .json)
        #expect(answer.headers == ["X-Load-Balancing-Endpoint-Weight": "\(localEndpoints)"])
        #expect(
            answer.body == """
                {"service":{"namespace":"shop","name":"web"},"localEndpoints":\(localEndpoints),\
                "serviceProxyHealthy":\(proxyIsHealthy)}
                """)
    }

    @Test("every path and method gets the answer, on both families")
    func everyPath() async throws {
        let (ports, port) = (ports(), try freePort())
        ports.update([port: check(3)])
        try await listening.during(ports) { () async throws in
            #expect(await listening.port().port == port)
            for (host, method, path) in [("127.0.0.1", "GET", "/"), ("::1", "GET", "/healthz"), ("::1", "POST", "/x")] {
                let reply = try await HTTPExchange.ask(path, method: method, at: host, port: port)
                #expect(reply.status == 200)
                #expect(reply.headers["content-type"] == "application/json")
                #expect(reply.headers["x-content-type-options"] == "nosniff")
                #expect(reply.headers["x-load-balancing-endpoint-weight"] == "3")
                #expect(reply.body.contains(#""localEndpoints":3"#))
            }
        }
    }

    @Test("thousands of Services have their port, and those past the limit are a problem that is told")
    func thousands() async throws {
        OpenFiles.allowMany()
        let limit = min(5_000, OpenFiles.limit / 2)
        let ports = ports(limit: limit)
        let wanted = (0..<UInt16(limit + 7)).map { (20_000 + $0, check(1, of: "web-\($0)")) }
        // An address of loopback on which nobody else listens.
        ports.update(Dictionary(uniqueKeysWithValues: wanted), hosts: ["127.77.3.9"])
        try await listening.during(ports) { () async throws in
            for _ in 0..<limit { _ = await listening.port() }
            #expect(
                listening.problems.all == [
                    "cannot listen on 7 of \(limit + 7) addresses for health checks: the limit of open files leaves room for "
                        + "\(limit); raise it (LimitNOFILE of the unit)"
                ])
            let reply = try await HTTPExchange.ask("/", at: "127.77.3.9", port: UInt16(20_000 + limit - 1))
            #expect(reply.status == 200 && reply.body.contains("web-\(limit - 1)"))
            ports.update([20_000: check(1)], hosts: ["127.77.3.9"])
            while !listening.problems.all.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
        }
    }

    @Test("a connection too many closes the oldest of all ports, so that no client takes all descriptors")
    func sharedLimit() async throws {
        let (ports, first, second) = (ports(connections: 2), try freePort(), try freePort())
        ports.update([first: check(1), second: check(1)], hosts: ["127.0.0.1"])
        try await listening.during(ports) { () async throws in
            for _ in 0..<2 { _ = await listening.port() }
            let slow = try await onThread { try HTTPExchange.Client(port: first) }
            // Each port takes its clients when it comes to it: this answer says that it has taken the first.
            #expect(try await HTTPExchange.ask("/", port: first).status == 200)
            let alsoSlow = try await onThread { try HTTPExchange.Client(port: second) }
            #expect(try await HTTPExchange.ask("/", port: second).status == 200)
            #expect(try await onThread { try slow.readToEnd() } == "")
            let answer = try await onThread {
                try alsoSlow.say("GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
                return try alsoSlow.readToEnd()
            }
            #expect(answer.hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test("a new count is a new answer of the same listener")
    func newCount() async throws {
        let (ports, port) = (ports(), try freePort())
        ports.update([port: check(1)], hosts: ["127.0.0.1"])
        try await listening.during(ports) { () async throws in
            _ = await listening.port()
            #expect(try await HTTPExchange.ask("/", port: port).status == 200)
            ports.update([port: check(0)], hosts: ["127.0.0.1"])
            let reply = try await HTTPExchange.ask("/", port: port)
            #expect(reply.status == 503)
            #expect(reply.headers["x-load-balancing-endpoint-weight"] == "0")
        }
    }

    @Test("ports open and close with the set, and on the addresses that are given")
    func followsTheSet() async throws {
        let (ports, first, second) = (ports(), try freePort(), try freePort())
        ports.update([first: check(1)], hosts: ["127.0.0.1"])
        try await listening.during(ports) { () async throws in
            #expect(await listening.port().port == first)
            ports.update([second: check(1, of: "other")], hosts: ["127.0.0.1", "::1"])
            #expect(await listening.port().port == second)
            #expect(await listening.port().port == second)
            await #expect(throws: SocketError("connect", 111)) { try await HTTPExchange.ask("/", port: first) }
            #expect(try await HTTPExchange.ask("/", at: "::1", port: second).body.contains("other"))
            // Back again, at once: the address was really given up.
            ports.update([first: check(1), second: check(1)], hosts: ["127.0.0.1"])
            #expect(await listening.port().port == first)
            #expect(try await HTTPExchange.ask("/", port: first).status == 200)
        }
        #expect(listening.problems.all.isEmpty)
    }

    @Test("a port that is taken disturbs no other, and opens when it is free")
    func takenPort() async throws {
        var stranger: Stranger? = try Stranger()
        let taken = try #require(stranger?.port)
        let (ports, free) = (ports(), try freePort())
        ports.update([taken: check(1), free: check(1, of: "other")])
        try await listening.during(ports) { () async throws in
            let complaint = await listening.complaint()
            #expect(
                complaint.hasPrefix("cannot listen on [::]:\(taken) for health checks of shop/web: address already"))
            #expect(complaint.contains("in use by PID "))
            #expect(await listening.port().port == free)
            #expect(try await HTTPExchange.ask("/", port: free).status == 200)
            stranger = nil
            #expect(await listening.port().port == taken)
            #expect(listening.problems.all.isEmpty)
        }
    }
}
