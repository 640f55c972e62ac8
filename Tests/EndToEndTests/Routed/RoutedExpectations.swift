import Foundation
import NetworkLab
import Testing

/// What clients beyond a router see, whoever translates. Each suite calls these on its own topology.
struct RoutedExpectations {
    let node: RoutedNode

    init(_ proxy: Proxy) throws { node = try .current(proxy) }

    /// Spec 36a: the backends see the node, on which of its addresses the way to them goes out.
    func reachesEveryBackend(_ door: Door, _ family: IPVersion) throws {
        let calls = try node.call(RoutedService["web"].door(door, family), "--count", "60")
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods == Set((RoutedService.localPods + RoutedService.remotePods).map(\.text)))
        for attempt in calls.attempts {
            guard let pod = attempt.pod, let host = attempt.client.flatMap({ SocketAddress($0) })?.host else {
                continue
            }
            if pod.hasPrefix("pod-2") {
                #expect(host == family.node, "\(pod)")
            } else {
                #expect(family.clients.contains(host) == node.localPodsSeeClient, "\(pod) sees \(host)")
            }
        }
    }

    func answersDatagrams(_ door: Door, _ family: IPVersion) throws {
        let target = try RoutedService["dns"].door(door, family)
        let calls = try node.call(target, "--udp", "--count", "40")
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods.count == 5)
        #expect(Set(calls.attempts.map(\.source)) == [target], "the answer comes from where the question went")
    }

    func keepsUDPFlow(_ family: IPVersion) throws {
        let target = try RoutedService["dns"].door(.nodePort, family)
        let calls = try node.call(target, "--udp", "--count", "20", "--same-socket")
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods.count == 1)
    }

    /// Both ways: the question's fragments and the answer's.
    func carriesLargeDatagrams(_ service: String, _ family: IPVersion) throws {
        let target = try RoutedService[service].door(.loadBalancer, family)
        let calls = try node.call(target, "--udp", "--count", "5", "--size", "8000")
        #expect(calls.results == ["ok"], "\(calls.summary)")
    }

    /// A sender learns only from a lost datagram that the way back is narrower, and then sends smaller fragments.
    func learnsPathMTU(_ family: IPVersion) throws {
        let target = try RoutedService["kept-udp"].door(.loadBalancer, family)
        _ = try node.call(target, "--udp", "--size", "8000", "--timeout", "300")
        let calls = try node.call(target, "--udp", "--count", "5", "--size", "8000")
        #expect(calls.results == ["ok"], "\(calls.summary)")
    }

    /// Spec 36b: only the local endpoint, and it sees who calls.
    func keepsClientAddress(_ door: Door, _ family: IPVersion) throws {
        let client = family.clients[1]
        let calls = try node.call(RoutedService["kept"].door(door, family), "--count", "20", "--bind", client)
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods == ["pod-1-1"])
        // Of two clients with one port, on the way to one backend, the second gets another port: the address counts.
        for attempt in calls.attempts { #expect(host(attempt.client) == host(attempt.local)) }
        let datagrams = try node.call(RoutedService["kept-udp"].door(door, family), "--udp", "--bind", client)
        #expect(datagrams.pods == ["pod-1-2"])
        #expect(host(datagrams.attempts.first?.client) == host(datagrams.attempts.first?.local))
    }

    /// The part before the port; nil for nothing.
    private func host(_ address: String?) -> Substring? {
        address.flatMap { text in text.lastIndex(of: ":").map { text[..<$0] } }
    }

    /// Spec 17.
    func dropsWithoutLocalEndpoint(_ door: Door, _ family: IPVersion) throws {
        let calls = try node.call(RoutedService["elsewhere"].door(door, family), "--timeout", "300")
        #expect(calls.results == ["ETIMEDOUT"])
    }

    /// Spec 27 and 29: an answer long before the time-out.
    func refusesWithoutEndpoint(_ door: Door, _ family: IPVersion) throws {
        let calls = try node.call(RoutedService["nobody"].door(door, family), "--timeout", "10000")
        #expect(calls.results == ["ECONNREFUSED"])
        let datagrams = try node.call(RoutedService["nobody-udp"].door(door, family), "--udp", "--timeout", "10000")
        #expect(datagrams.results == ["ECONNREFUSED"])
    }

    /// Spec 28.
    func refusesUnknownPort(_ family: IPVersion) throws {
        let clusterIP = try family.endpoint(RoutedService["web"].clusterIP(family), 81)
        #expect(try node.call(clusterIP, "--timeout", "10000").results == ["ECONNREFUSED"])
        #expect(try node.call(clusterIP, "--udp", "--timeout", "10000").results == ["ECONNREFUSED"])
    }

    /// Spec 24: the load balancer's address only.
    func checksSourceRanges(_ family: IPVersion) throws {
        let service = try RoutedService["ranged"]
        let (other, admitted) = (family.clients[0], family.clients[1])
        let door = service.door(.loadBalancer, family)
        #expect(try node.call(door, "--bind", admitted).results == ["ok"])
        #expect(try node.call(door, "--bind", other, "--timeout", "300").results == ["ETIMEDOUT"])
        #expect(try node.call(service.door(.nodePort, family), "--bind", other).results == ["ok"])
    }

    /// Spec 34: by client address, for all doors of the service port together.
    func staysWithAffinity(_ family: IPVersion) throws {
        let service = try RoutedService["sticky"]
        for client in family.clients.prefix(4) {
            var pods: Set<String> = []
            for door in Door.allCases {
                let calls = try node.call(service.door(door, family), "--count", "5", "--bind", client)
                #expect(calls.results == ["ok"])
                pods.formUnion(calls.pods)
            }
            #expect(pods.count == 1, "\(client)")
        }
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

    /// Spec 37: a ClusterIP leads to pods here and elsewhere, and they see which pod calls.
    func servesPods(_ family: IPVersion) throws {
        for name in ["near", "remote"] {
            let calls = try node.call(fromPod: 2, RoutedService[name].door(.clusterIP, family), "--count", "5")
            #expect(calls.results == ["ok"], "\(name): \(calls.summary)")
            let caller = RoutedService.localPods[1].address(family)
            for attempt in calls.attempts { #expect(attempt.client.flatMap { SocketAddress($0) }?.host == caller) }
        }
        let datagrams = try node.call(
            fromPod: 2, RoutedService["dns"].door(.clusterIP, family), "--udp", "--count", "10")
        #expect(datagrams.results == ["ok"], "\(datagrams.summary)")
    }

    /// Spec 36d: the only endpoint calls itself.
    func servesHairpin(_ door: Door, _ family: IPVersion) throws {
        let calls = try node.call(fromPod: 1, RoutedService["near"].door(door, family), "--count", "3")
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods == ["pod-1-1"])
    }

    /// Spec 18: pods reach a Local service whose endpoints are elsewhere.
    func shortCircuits(_ door: Door, _ family: IPVersion) throws {
        let calls = try node.call(fromPod: 2, RoutedService["elsewhere"].door(door, family), "--count", "3")
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods == ["pod-2-1"])
    }

    /// The node itself, by sockets that no hook has translated.
    func servesNode(_ door: Door, _ family: IPVersion) throws {
        for name in ["near", "remote"] {
            let calls = try node.call(fromPod: nil, RoutedService[name].door(door, family), "--count", "3")
            #expect(calls.results == ["ok"], "\(name): \(calls.summary)")
        }
        let refused = try node.call(fromPod: nil, RoutedService["nobody"].door(door, family), "--timeout", "10000")
        #expect(refused.results == ["ECONNREFUSED"])
    }

    func refusesPods(_ family: IPVersion) throws {
        for door in Door.allCases {
            let calls = try node.call(fromPod: 2, RoutedService["nobody"].door(door, family), "--timeout", "10000")
            #expect(calls.results == ["ECONNREFUSED"], "\(door)")
        }
    }

    /// The client compares what comes back with what it sent.
    func carriesBulk(_ service: String, _ door: Door, _ family: IPVersion, megabytes: Int = 64) throws {
        let report = try node.stream(
            RoutedService[service].door(door, family), "--megabytes", "\(megabytes)", "--timeout", "10000")
        #expect(report.result == "ok", "\(report)")
        #expect(report.bytes == megabytes << 20)
    }

    /// How many packets were translated, both ways.
    func packets() throws -> UInt64 {
        try (node.count(of: "packet") ?? 0) + (node.count(of: "packet_back") ?? 0)
    }

    func holdsManyFlows(_ count: Int, _ family: IPVersion) throws {
        let flows = try node.hold(
            RoutedService["web"].door(.nodePort, family), "--connections", "\(count)", "--brief", "--timeout", "10000")
        for round in 0..<3 {
            if round > 0 { try flows.write("send\n") }
            let summary = try flows.decode(BriefReport.self).summary
            #expect(summary.ok == count, "\(summary)")
            #expect(summary.clients == count, "no two flows look the same to a pod")
        }
        _ = try? flows.terminate()
    }
}
