import NetworkLab
import Testing

extension Serving {
    @Suite("refusals")
    struct Refusals {
        /// What a Service cannot answer, and how it is asked.
        struct Refused: Sendable, CustomTestStringConvertible {
            var target: String
            var options: [String]
            var stage: String
            var testDescription: String { "\(target) \(options.joined(separator: " "))" }

            static func all(_ tcp: [String], _ udp: [String]) -> [Refused] {
                tcp.map { Refused(target: $0, options: [], stage: "connect") }
                    + udp.map { Refused(target: $0, options: ["--udp", "--unconnected"], stage: "send") }
                    + tcp.filter { !$0.hasPrefix("[") }
                    .map { Refused(target: $0, options: ["--mapped"], stage: "connect") }
            }
        }

        static let withoutEndpoint = Refused.all(
            ["10.96.0.20:80", "[fd00:96::20]:80"], ["10.96.0.20:53", "[fd00:96::20]:53"])
        /// `web` has TCP 80 and UDP 53 only (spec 28).
        static let unknownPort = Refused.all(
            ["10.96.0.15:81", "[fd00:96::15]:81", "10.96.0.15:53"], ["10.96.0.15:80", "[fd00:96::15]:54"])

        @Test("at once, with ECONNREFUSED", arguments: withoutEndpoint + unknownPort)
        func refuses(question: Refused) throws {
            for place in [TestNode.Place.node, .pod(1)] {
                let report = try TestNode.current.call(
                    question.target, options: question.options + ["--count", "3"], from: place)
                #expect(report.results == ["ECONNREFUSED"])
                #expect(report.attempts.allSatisfy { $0.stage == question.stage })
                let fastest = report.attempts.map(\.microseconds).min()
                #expect(fastest.map { $0 < 50_000 } == true)
            }
        }

        /// connect() of UDP sends nothing and refuses nothing (spec 55); what is sent then leaves the socket for the
        /// ClusterIP, and is refused where it would leave the node.
        @Test(
            "by an error, for a UDP socket that is connected",
            arguments: ["10.96.0.20:53", "[fd00:96::20]:53", "10.96.0.15:80", "[fd00:96::15]:54"])
        func refusesConnected(target: String) throws {
            let node = try TestNode.current
            let question = try #require(SocketAddress(target))
            let route = "\(question.host) via \(question.isV4 ? Lab.outsideAddress4 : Lab.outsideAddress6)"
            try node.lab.node.ip(lines: ["route add \(route)"])
            defer { try? node.lab.node.ip(lines: ["route del \(route)"]) }
            let reasons = ["refuse_no_backend", "refuse_unknown_port"]
            func refusals() throws -> Int {
                let counters = try node.status().counters
                return reasons.reduce(0) { $0 + (counters[$1] ?? 0) }
            }
            for place in [TestNode.Place.node, .pod(1)] {
                let before = try refusals()
                let report = try node.call(target, "--udp", "--count", "3", from: place)
                #expect(report.results == ["ECONNREFUSED"], "\(place)")
                #expect(report.attempts.allSatisfy { $0.stage == "receive" })
                // At the connect, and at the packet.
                #expect(try refusals() - before >= 6)
            }
        }

        @Test("each reason has its own counter")
        func counts() throws {
            let node = try TestNode.current
            func count(_ reason: String, _ target: String, _ place: TestNode.Place = .node) throws -> Int {
                let before = try node.status().counters[reason] ?? 0
                let report = try node.call(target, "--count", "5", from: place)
                #expect(report.results == ["ECONNREFUSED"])
                return try (node.status().counters[reason] ?? 0) - before
            }
            #expect(try count("refuse_no_backend", "10.96.0.20:80") >= 5)
            #expect(try count("refuse_unknown_port", "10.96.0.15:81") >= 5)
            #expect(try count("refuse_no_local_backend", "10.96.0.40:80") == 5)
            #expect(try count("refuse_no_local_backend", "10.96.0.40:80", .pod(2)) == 5)
            #expect(try count("pass_host_only", "127.0.0.1:30041", .pod(3)) >= 5)
            // Nobody else asks this Service for anything.
            let inside = try #require(try node.services()["inside"]?.ports.first)
            #expect(
                inside.connections == .init(forwarded: 0, refused: 10, refusedByReason: ["no_local_endpoints": 10]))
        }

        /// Internal Local is for the ClusterIP alone (spec 19); clients on the node are short-circuited past an
        /// external Local policy (spec 18).
        @Test("Local policies")
        func localPolicies() throws {
            let node = try TestNode.current
            for place in [TestNode.Place.node, .pod(1)] {
                #expect(try node.call("10.96.0.42:80", "--count", "10", from: place).pods == ["pod-2"])
                #expect(try node.call("10.96.0.41:80", from: place).results == ["ok"])
                #expect(try node.call("192.0.2.1:30041", from: place).results == ["ok"])
            }
        }

        @Test("what is not ours passes untouched")
        func passes() throws {
            let node = try TestNode.current
            for place in [TestNode.Place.node, .pod(1)] {
                let direct = try node.call("10.244.0.12:8080", from: place).attempts
                #expect(direct.map(\.pod) == ["pod-2"])
                #expect(direct.map(\.peer) == ["10.244.0.12:8080"])
                let datagram = try node.call("10.244.0.12:8080", "--udp", "--unconnected", from: place).attempts
                #expect(datagram.map(\.source) == ["10.244.0.12:8080"])
            }
            // Other ports of external addresses are not ours (spec 23), and there is no way to these.
            #expect(try node.call("198.51.100.7:81").results == ["ENETUNREACH"])
            #expect(try node.call("203.0.113.10:81").results == ["ENETUNREACH"])
            // Nor are ports of the node that no Service has.
            #expect(try node.call("192.0.2.1:30099").results == ["ECONNREFUSED"])
        }

        @Test(
            "a client beyond the node is served packet by packet, and sees the VIP as its peer",
            arguments: ["10.96.0.15:80", "192.0.2.1:30080", "[2001:db8::1]:30080"])
        func outside(frontend: String) throws {
            let node = try TestNode.current
            let calls = try node.call(frontend, "--count", "5", from: .outside)
            #expect(calls.results == ["ok"])
            #expect(Set(calls.attempts.map(\.peer)) == [frontend])
        }

        @Test("a client beyond the node is refused at once where there is no endpoint")
        func refusesOutside() throws {
            let node = try TestNode.current
            #expect(try node.call("10.96.0.20:80", from: .outside).results == ["ECONNREFUSED"])
            #expect(try node.call("10.96.0.15:81", from: .outside).results == ["ECONNREFUSED"])
        }
    }

    /// The NodePorts of `web`: 30080/TCP and 30053/UDP, on the node's addresses and on loopback.
    @Suite("bind protection")
    struct BindProtection {
        @Test("a NodePort is in use", arguments: ["::", "0.0.0.0", "192.0.2.1", "2001:db8::1", "127.0.0.1", "::1"])
        func refuses(address: String) throws {
            let node = try TestNode.current
            #expect(try node.bind(30080, "--address", address) == "EADDRINUSE")
            #expect(try node.bind(30053, "--udp", "--address", address) == "EADDRINUSE")
        }

        @Test("other protocols, ports, addresses and network namespaces are free")
        func allows() throws {
            let node = try TestNode.current
            #expect(try node.bind(30080, "--udp") == "ok")
            #expect(try node.bind(30053) == "ok")
            #expect(try node.bind(30099) == "ok")
            // Not an address that serves NodePorts: the Node object names another one.
            #expect(try node.bind(30080, "--address", "10.244.0.1") == "ok")
            for place in [TestNode.Place.pod(1), .pod(3)] {
                #expect(try node.bind(30080, at: place) == "ok")
                #expect(try node.bind(30053, "--udp", at: place) == "ok")
            }
        }

        @Test("the kernel may give a NodePort's number to who asks for any port", arguments: ["::", "0.0.0.0"])
        func anyPort(address: String) throws {
            let node = try TestNode.current
            // No other number is left.
            try node.lab.node.set("ipv4/ip_local_port_range", to: "30080 30080")
            let tcp = Result { try node.bind(0, "--address", address) }
            try node.lab.node.set("ipv4/ip_local_port_range", to: "30053 30053")
            let udp = Result { try node.bind(0, "--udp", "--address", address) }
            try node.lab.node.set("ipv4/ip_local_port_range", to: "32768 60999")
            #expect(try tcp.get() == "ok")
            #expect(try udp.get() == "ok")
        }
    }
}

@Suite(
    "bind protection that is off", .tags(.endToEnd), .endToEnd,
    .node(flags: ["--bind-protection=false"], manifests: ["web.yaml": ServedManifests.web]))
struct BindProtectionOffTests {
    @Test("a NodePort is free to listen on")
    func allows() throws {
        let node = try TestNode.current
        #expect(try node.bind(30080) == "ok")
        #expect(try node.bind(30053, "--udp") == "ok")
        let status = try node.status()
        #expect(status.degraded == [])
        #expect(status.hooks.filter { $0.name.hasPrefix("bind") }.allSatisfy { !$0.isAttached })
    }
}
