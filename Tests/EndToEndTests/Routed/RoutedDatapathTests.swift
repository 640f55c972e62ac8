import NetworkLab
import TestKit
import Testing

/// The same expectations as of kube-proxy's rules, of the programs at tc. One differs: with the policy Cluster a pod
/// of this node sees the client, because its answers pass by us anyway.
enum RoutedDatapath {
    @Suite(
        "Beyond a router, the programs at tc", .tags(.endToEnd), .serialized, .endToEnd, .hasTCX, .routed(.datapath))
    struct RoutedPods {
        @Test("every door leads to every backend", arguments: Door.allCases, IPVersion.allCases)
        func balances(door: Door, family: IPVersion) throws {
            try RoutedExpectations.reachesEveryBackend(door, family, localPodsSeeClient: true)
            try RoutedExpectations.answersDatagrams(door, family)
        }

        @Test("a UDP flow stays with its backend", arguments: IPVersion.allCases)
        func keepsFlow(family: IPVersion) throws { try RoutedExpectations.keepsUDPFlow(family) }

        @Test("the policy Local keeps the client's address", arguments: outsideDoors, IPVersion.allCases)
        func keepsClient(door: Door, family: IPVersion) throws {
            try RoutedExpectations.keepsClientAddress(door, family)
            try RoutedExpectations.dropsWithoutLocalEndpoint(door, family)
        }

        @Test("without any endpoint there is a refusal", arguments: Door.allCases, IPVersion.allCases)
        func refuses(door: Door, family: IPVersion) throws {
            try RoutedExpectations.refusesWithoutEndpoint(door, family)
        }

        @Test("a ClusterIP refuses ports that it does not serve", arguments: IPVersion.allCases)
        func refusesPort(family: IPVersion) throws { try RoutedExpectations.refusesUnknownPort(family) }

        @Test("source ranges hold for the load balancer's address", arguments: IPVersion.allCases)
        func checksRanges(family: IPVersion) throws { try RoutedExpectations.checksSourceRanges(family) }

        @Test("affinity goes by client and service port", arguments: IPVersion.allCases)
        func sticks(family: IPVersion) throws { try RoutedExpectations.staysWithAffinity(family) }

        @Test("equal ports do not cross", arguments: IPVersion.allCases)
        func separates(family: IPVersion) throws { try RoutedExpectations.keepsEqualPortsApart(family) }

        @Test("a ClusterIP serves pods, which are seen as they are", arguments: IPVersion.allCases)
        func servesPods(family: IPVersion) throws {
            try RoutedExpectations.servesPods(family)
            try RoutedExpectations.refusesPods(family)
        }

        @Test("a pod reaches itself", arguments: Door.allCases, IPVersion.allCases)
        func servesHairpin(door: Door, family: IPVersion) throws {
            try RoutedExpectations.servesHairpin(door, family)
        }

        @Test("pods reach a Local service elsewhere", arguments: outsideDoors, IPVersion.allCases)
        func shortCircuits(door: Door, family: IPVersion) throws {
            try RoutedExpectations.shortCircuits(door, family)
        }

        /// A NodePort of its own address stays on the loopback device: that is for the socket hooks.
        @Test(
            "the node itself is served", arguments: [.clusterIP, .loadBalancer, .externalIP] as [Door],
            IPVersion.allCases)
        func servesNode(door: Door, family: IPVersion) throws { try RoutedExpectations.servesNode(door, family) }

        @Test("large datagrams pass in fragments", arguments: ["dns", "kept-udp"], IPVersion.allCases)
        func fragments(service: String, family: IPVersion) throws {
            try RoutedExpectations.carriesLargeDatagrams(service, family)
        }

        @Test("64 MB come back as they went", arguments: ["near", "remote"], IPVersion.allCases)
        func carriesBulk(service: String, family: IPVersion) throws {
            try RoutedExpectations.carriesBulk(service, .nodePort, family)
        }

        @Test("10,000 flows live side by side", arguments: IPVersion.allCases)
        func holdsFlows(family: IPVersion) throws { try RoutedExpectations.holdsManyFlows(10_000, family) }
    }

    @Suite(
        "Beyond a router with a smaller MTU, bridged pods, the programs at tc", .tags(.endToEnd), .serialized,
        .endToEnd, .hasTCX, .routed(.datapath, .bridged, clientMTU: 1_300))
    struct SmallMTU {
        @Test("every door leads to every backend", arguments: Door.allCases, IPVersion.allCases)
        func balances(door: Door, family: IPVersion) throws {
            try RoutedExpectations.reachesEveryBackend(door, family, localPodsSeeClient: true)
        }

        @Test("a ClusterIP serves pods of one bridge, which are seen as they are", arguments: IPVersion.allCases)
        func servesPods(family: IPVersion) throws { try RoutedExpectations.servesPods(family) }

        @Test("a pod reaches itself", arguments: Door.allCases, IPVersion.allCases)
        func servesHairpin(door: Door, family: IPVersion) throws {
            try RoutedExpectations.servesHairpin(door, family)
        }

        /// A router's word that packets are too big must find its way through the translation.
        @Test("64 MB come back as they went", arguments: ["remote", "kept"], IPVersion.allCases)
        func carriesBulk(service: String, family: IPVersion) throws {
            let before = try RoutedNode.current.datapath?.counters()["PACKET_ICMP"] ?? 0
            try RoutedExpectations.carriesBulk(service, .loadBalancer, family)
            #expect(try RoutedNode.current.datapath?.counters()["PACKET_ICMP"] ?? 0 > before)
        }

        @Test("large answers follow once the sender knows the MTU", arguments: IPVersion.allCases)
        func fragments(family: IPVersion) throws { try RoutedExpectations.learnsPathMTU(family) }
    }
}
