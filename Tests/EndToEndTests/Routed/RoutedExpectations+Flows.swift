import Foundation
import NetworkLab
import Testing

/// What lasts longer than a question and its answer, and what does not fit into one packet.
extension RoutedExpectations {
    func keepsUDPFlow(_ family: IPVersion) throws {
        let target = try RoutedService["dns"].door(.nodePort, family)
        let calls = try node.call(target, "--udp", "--count", "20", "--same-socket")
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods.count == 1)
    }

    /// Both ways: the question's fragments and the answer's.
    func carriesLargeDatagrams(_ service: String, _ family: IPVersion) throws {
        let service = try RoutedService[service]
        let calls = try node.call(
            service.door(.loadBalancer, family), "--udp", "--count", "5", "--size", "8000")
        #expect(calls.results == ["ok"], "\(calls.summary)")
        for attempt in calls.attempts { expectSource(attempt.pod, attempt.client, of: service, family) }
    }

    /// A sender learns only from a lost datagram that the way back is narrower, and then sends smaller fragments.
    func learnsPathMTU(_ family: IPVersion) throws {
        let target = try RoutedService["kept-udp"].door(.loadBalancer, family)
        _ = try node.call(target, "--udp", "--size", "8000", "--timeout", "300")
        let calls = try node.call(target, "--udp", "--count", "5", "--size", "8000")
        #expect(calls.results == ["ok"], "\(calls.summary)")
    }

    /// Clients with equal ports to one backend, and one client with equal ports through two services of one backend:
    /// five flows that only a translation of the source keeps apart.
    func keepsEqualPortsApart(_ family: IPVersion) throws {
        let (near, other) = try (
            RoutedService["near"].door(.nodePort, family), RoutedService["near-too"].door(.nodePort, family)
        )
        let bound = ["--source-port", "41000", "--bind"]
        let flows = try family.clients.prefix(4).map {
            try HeldFlows(try node.hold(near, bound[0], bound[1], bound[2], $0))
        }
        let last = try HeldFlows(try node.hold(other, bound[0], bound[1], bound[2], family.clients[0]))
        var seen: Set<String> = []
        for flow in flows + [last] {
            for attempt in try flow.send() {
                #expect(attempt.result == "ok")
                seen.insert(attempt.client ?? "")
            }
        }
        #expect(seen.count == 5, "\(seen)")
        for flow in flows + [last] { #expect(try flow.send().map(\.result) == ["ok"]) }
    }

    /// A client resets its connection and begins the next one with the same port, again and again, by two services of
    /// one backend. Others' connections with that port live on. Now and then a backend that is just closing its end loses
    /// a SYN with the same addresses and ports, with nobody between them too: the second SYN goes out after one second.
    func survivesResets(_ family: IPVersion) throws {
        let port = ["--source-port", "41001"]
        let door = try RoutedService["near"].door(.nodePort, family)
        let others = try family.clients[1...3].map {
            try HeldFlows(try node.hold(door, port[0], port[1], "--bind", $0))
        }
        let before = try others.map { try $0.send().map(\.client) }
        for name in ["near", "near-too", "near", "near-too"] {
            let calls = try node.call(
                RoutedService[name].door(.nodePort, family), port[0], port[1], "--bind", family.clients[0],
                "--timeout", "5000", "--count", "100")
            #expect(calls.results == ["ok"], "\(name): \(calls.summary)")
        }
        for (flow, clients) in zip(others, before) {
            let after = try flow.send()
            #expect(after.map(\.result) == ["ok"])
            #expect(after.map(\.client) == clients)
        }
    }

    /// A port comes again while the connection that had it is in TIME_WAIT, by the same service and by the other one.
    func reusesPort(_ family: IPVersion) throws {
        for name in ["near", "near", "near-too", "near", "near-too", "near-too"] {
            let door = try RoutedService[name].door(.nodePort, family)
            let isAnswered = try eventually(within: 30_000) {
                let calls = try node.call(
                    door, "--bind", family.clients[0], "--source-port", "41002", "--finish", "--timeout", "10000")
                // Until the backend's FIN has come the client's own kernel refuses.
                #expect(calls.results.isSubset(of: ["ok", "EADDRNOTAVAIL"]), "\(name): \(calls.summary)")
                return calls.results == ["ok"]
            }
            #expect(isAnswered, "\(name)")
        }
    }

    /// The client compares what comes back with what it sent.
    func carriesBulk(_ service: String, _ door: Door, _ family: IPVersion, megabytes: Int = 64) throws {
        let service = try RoutedService[service]
        let report = try node.stream(
            service.door(door, family), "--megabytes", "\(megabytes)", "--timeout", "10000")
        #expect(report.result == "ok", "\(report)")
        #expect(report.bytes == megabytes << 20)
        expectSource(report.pod, report.client, of: service, family)
    }

    /// How many packets were translated, both ways.
    func packets() throws -> UInt64 {
        try (node.count(of: "packet") ?? 0) + (node.count(of: "packet_back") ?? 0)
    }

    func holdsManyFlows(_ count: Int, _ service: String, _ family: IPVersion) throws {
        let service = try RoutedService[service]
        let options = ["--connections", "\(count)", "--brief", "--timeout", "10000"] + (service.isUDP ? ["--udp"] : [])
        let flows = try node.hold(service.door(.nodePort, family), options: options)
        let opened = try flows.decode(BriefReport.self).summary
        #expect(opened.ok == count, "\(opened)")
        for _ in 0..<2 {
            try flows.write("send\n")
            let summary = try flows.decode(BriefReport.self).summary
            #expect(summary.ok == count, "\(summary)")
            #expect(summary.clients == count, "no two flows look the same to a pod")
        }
        _ = try? flows.terminate()
    }
}
