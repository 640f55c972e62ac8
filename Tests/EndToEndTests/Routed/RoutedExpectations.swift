import Foundation
import NetworkLab
import Testing

/// What clients beyond a router see, whoever translates. Each suite calls these on its own topology.
struct RoutedExpectations {
    let node: RoutedNode

    init(_ proxy: Proxy) throws { node = try .current(proxy) }
    init(_ arrangement: Arrangement) throws { node = try .current(arrangement) }

    /// One of five backends is not among those chosen once in 10⁹ times; with 40 calls it was once in 1,500.
    private static let enoughForAll = "100"

    func reachesEveryBackend(_ door: Door, _ family: IPVersion) throws {
        let service = try RoutedService["web"]
        let calls = try node.call(service.door(door, family), "--count", Self.enoughForAll)
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods == Set((RoutedService.localPods + RoutedService.remotePods).map(\.text)))
        for attempt in calls.attempts { expectSource(attempt.pod, attempt.client, of: service, family) }
    }

    /// Whom a pod sees when a client calls that is outside: with the policy Local the client (spec 36b), otherwise the
    /// node (36a), on which of its addresses the way to the pod goes out.
    func expectSource(_ pod: String?, _ client: String?, of service: RoutedService, _ family: IPVersion) {
        let host = client.flatMap { SocketAddress($0) }?.host ?? "nobody"
        let isLocal = RoutedService.localPods.contains { $0.text == pod }
        if service.keepsClient || isLocal && node.localPodsSeeClient {
            #expect(family.clients.contains(host), "\(pod ?? "") sees \(host)")
        } else {
            #expect(isLocal ? family.nodeAddresses.contains(host) : host == family.node, "\(pod ?? "") sees \(host)")
        }
    }

    func answersDatagrams(_ door: Door, _ family: IPVersion) throws {
        let service = try RoutedService["dns"]
        let target = service.door(door, family)
        let calls = try node.call(target, "--udp", "--count", Self.enoughForAll)
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods.count == 5)
        for attempt in calls.attempts { expectSource(attempt.pod, attempt.client, of: service, family) }
        #expect(Set(calls.attempts.map(\.source)) == [target], "the answer comes from where the question went")
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

    /// Spec 17: the client hears nothing at all.
    func dropsWithoutLocalEndpoint(_ door: Door, _ family: IPVersion) throws {
        let (refused, dropped) = try (node.refusals(), node.count(of: "dropped"))
        let calls = try node.call(RoutedService["elsewhere"].door(door, family), "--timeout", "300")
        #expect(calls.results == ["ETIMEDOUT"])
        guard let refused, let dropped else { return }
        #expect(try node.refusals() == refused)
        #expect(try node.count(of: "dropped") ?? 0 > dropped)
    }

    /// Spec 27 and 29: at once. Each client has sent one packet, and is answered before it sends that again.
    func refusesWithoutEndpoint(_ door: Door, _ family: IPVersion) throws {
        let before = try node.refusals()
        let calls = try node.call(RoutedService["nobody"].door(door, family), "--timeout", "10000")
        #expect(calls.results == ["ECONNREFUSED"])
        let datagrams = try node.call(RoutedService["nobody-udp"].door(door, family), "--udp", "--timeout", "10000")
        #expect(datagrams.results == ["ECONNREFUSED"])
        if let before { #expect(try node.refusals() == before + 2) }
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

    /// Spec 37: pods reach pods here and elsewhere, which see who calls. With the policy Cluster kube-proxy shows the
    /// node at the doors for clients outside, whoever calls; here answers pass by the pod's device anyway.
    func servesPods(_ door: Door, _ family: IPVersion) throws {
        let caller = RoutedService.localPods[2].address(family)
        func expectAnswered(_ name: String, _ options: String...) throws {
            let service = try RoutedService[name]
            let calls = try node.call(fromPod: 3, service.door(door, family), options: options + ["--count", "5"])
            #expect(calls.results == ["ok"], "\(name): \(calls.summary)")
            if door == .clusterIP || service.keepsClient || node.podsKeepAddress {
                #expect(calls.sources == [caller], "\(name)")
            } else {
                #expect(calls.sources.isSubset(of: family.nodeAddresses), "\(name): \(calls.sources)")
            }
        }
        try expectAnswered("near")
        try expectAnswered("remote")
        try expectAnswered("kept-udp", "--udp")
    }

    /// Spec 36d: the only endpoint calls itself, and sees the node.
    func servesHairpin(_ door: Door, _ family: IPVersion) throws {
        let calls = try node.call(fromPod: 1, RoutedService["near"].door(door, family), "--count", "3")
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods == ["pod-1-1"])
        #expect(calls.sources.isSubset(of: family.nodeAddresses), "\(calls.sources)")
    }

    /// Spec 18: pods reach a Local service whose endpoints are elsewhere.
    func shortCircuits(_ door: Door, _ family: IPVersion) throws {
        let calls = try node.call(fromPod: 2, RoutedService["elsewhere"].door(door, family), "--count", "3")
        #expect(calls.results == ["ok"], "\(calls.summary)")
        #expect(calls.pods == ["pod-2-1"])
        #expect(calls.sources == [RoutedService.localPods[1].address(family)])
    }

    /// The node itself, by sockets that no hook has translated.
    func servesNode(_ door: Door, _ family: IPVersion) throws {
        for name in ["near", "remote"] {
            let calls = try node.call(fromPod: nil, RoutedService[name].door(door, family), "--count", "3")
            #expect(calls.results == ["ok"], "\(name): \(calls.summary)")
            #expect(calls.sources.isSubset(of: family.nodeAddresses), "\(name): \(calls.sources)")
        }
        let refused = try node.call(fromPod: nil, RoutedService["nobody"].door(door, family), "--timeout", "10000")
        #expect(refused.results == ["ECONNREFUSED"])
    }

    func refusesPods(_ door: Door, _ family: IPVersion) throws {
        let calls = try node.call(fromPod: 2, RoutedService["nobody"].door(door, family), "--timeout", "10000")
        #expect(calls.results == ["ECONNREFUSED"])
    }
}

extension CallReport {
    /// The clients' addresses, as the pods saw them.
    var sources: Set<String> { Set(attempts.compactMap { $0.client.flatMap { SocketAddress($0) }?.host }) }
}
