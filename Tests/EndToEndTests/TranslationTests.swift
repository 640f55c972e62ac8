import NetworkLab
import Testing

extension Serving {
    /// Every way of asking × every front door × every client.
    @Suite("translation")
    struct Translation {
        @Test("reaches a pod and shows the VIP", arguments: Question.all)
        func answers(question: Question) throws {
            let report = try TestNode.current.call(
                question.target, options: question.options + ["--count", "3"], from: question.place)
            #expect(report.results == ["ok"])
            #expect(report.pods.isSubset(of: ["pod-1", "pod-2", "pod-3"]))
            for attempt in report.attempts {
                #expect(attempt.peer == (question.transport == .unconnectedUDP ? nil : question.shown))
                #expect(attempt.source == (question.transport == .tcp ? nil : question.shown))
            }
        }

        /// The pod's own listener answers: the address means something else in a pod (spec 21).
        @Test("leaves a pod's own loopback alone")
        func passesPodLoopback() throws {
            let node = try TestNode.current
            let own = try node.start(
                [Programs.lab, "serve", "--name", "own", "--tcp", "30080", "--udp", "30053"], at: .pod(2))
            #expect(try own.readLine() == "ready")
            for host in ["127.0.0.1", "[::1]"] {
                #expect(try node.call("\(host):30080", "--count", "5", from: .pod(2)).pods == ["own"])
                #expect(try node.call("\(host):30053", "--udp", "--count", "5", from: .pod(2)).pods == ["own"])
                #expect(try node.call("\(host):30053", "--udp", "--unconnected", from: .pod(2)).pods == ["own"])
            }
            try own.terminate()
        }

        @Test("pods see the client's own address (spec 37)")
        func keepsSource() throws {
            let report = try TestNode.current.call("10.96.0.15:80", "--count", "10", from: .pod(1))
            for attempt in report.attempts {
                #expect(attempt.client == attempt.local)
                #expect(attempt.client?.hasPrefix("10.244.0.11:") == true)
            }
        }
    }
}

/// One way of asking for the Service `web`.
struct Question: Sendable, CustomTestStringConvertible {
    enum Transport: String, CaseIterable {
        case tcp = "TCP"
        case udp = "UDP"
        case unconnectedUDP = "unconnected UDP"
    }

    enum Form: String, CaseIterable {
        case v4 = "IPv4"
        case v6 = "IPv6"
        /// An IPv6 socket that asks for ::ffff:a.b.c.d.
        case mapped = "IPv4-mapped"
    }

    enum Door: String, CaseIterable {
        case clusterIP = "ClusterIP"
        case externalIP = "external IP"
        case loadBalancer = "LoadBalancer IP"
        case nodePort = "NodePort"
        case loopback = "NodePort on loopback"

        /// The IPv4 and the IPv6 address.
        var hosts: (v4: String, v6: String) {
            switch self {
            case .clusterIP: ("10.96.0.15", "fd00:96::15")
            case .externalIP: ("198.51.100.7", "2001:db8:7::7")
            case .loadBalancer: ("203.0.113.10", "2001:db8:10::10")
            case .nodePort: (Lab.nodeAddress4, Lab.nodeAddress6)
            case .loopback: ("127.0.0.1", "::1")
            }
        }
    }

    var transport: Transport
    var form: Form
    var door: Door
    var place: TestNode.Place

    /// Loopback serves NodePorts for the node alone.
    static let all = Transport.allCases.flatMap { transport in
        Form.allCases.flatMap { form in
            Door.allCases.flatMap { door in
                [TestNode.Place.node, .pod(1)]
                    .filter { $0 == .node || door != .loopback }
                    .map { Question(transport: transport, form: form, door: door, place: $0) }
            }
        }
    }

    private var port: Int {
        switch (door, transport) {
        case (.nodePort, .tcp), (.loopback, .tcp): 30080
        case (.nodePort, _), (.loopback, _): 30053
        case (_, .tcp): 80
        case (_, _): 53
        }
    }

    var target: String { form == .v6 ? "[\(door.hosts.v6)]:\(port)" : "\(door.hosts.v4):\(port)" }

    /// The target as a socket of this form shows it.
    var shown: String { form == .mapped ? "[::ffff:\(door.hosts.v4)]:\(port)" : target }

    var options: [String] {
        var options = form == .mapped ? ["--mapped"] : []
        if transport != .tcp { options.append("--udp") }
        if transport == .unconnectedUDP { options.append("--unconnected") }
        return options
    }

    var testDescription: String { "\(transport.rawValue) \(form.rawValue) \(door.rawValue) from \(place)" }
}
