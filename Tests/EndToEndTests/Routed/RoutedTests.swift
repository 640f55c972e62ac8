import Foundation
import NetworkLab
import Testing

/// What clients beyond a router see is the same whoever translates. The yardstick are the rules that kube-proxy would
/// write: what they do in this topology, the expectations must hold.
enum RoutedTests {
    @Suite("Beyond a router", .tags(.endToEnd), .serialized, .endToEnd, .routed())
    struct RoutedPods {
        @Test("every door leads to every backend", arguments: Proxy.available, Visit.all)
        func balances(proxy: Proxy, visit: Visit) throws {
            try RoutedExpectations(proxy).reachesEveryBackend(visit.door, visit.family)
            try RoutedExpectations(proxy).answersDatagrams(visit.door, visit.family)
        }

        @Test("a UDP flow stays with its backend", arguments: Proxy.available, IPVersion.allCases)
        func keepsFlow(proxy: Proxy, family: IPVersion) throws { try RoutedExpectations(proxy).keepsUDPFlow(family) }

        @Test("the policy Local keeps the client's address", arguments: Proxy.available, Visit.fromOutside)
        func keepsClient(proxy: Proxy, visit: Visit) throws {
            try RoutedExpectations(proxy).keepsClientAddress(visit.door, visit.family)
            try RoutedExpectations(proxy).dropsWithoutLocalEndpoint(visit.door, visit.family)
        }

        @Test("without any endpoint there is a refusal", arguments: Proxy.available, Visit.all)
        func refuses(proxy: Proxy, visit: Visit) throws {
            try RoutedExpectations(proxy).refusesWithoutEndpoint(visit.door, visit.family)
        }

        @Test("a ClusterIP refuses ports that it does not serve", arguments: Proxy.available, IPVersion.allCases)
        func refusesPort(proxy: Proxy, family: IPVersion) throws {
            try RoutedExpectations(proxy).refusesUnknownPort(family)
        }

        @Test("source ranges hold for the load balancer's address", arguments: Proxy.available, IPVersion.allCases)
        func checksRanges(proxy: Proxy, family: IPVersion) throws {
            try RoutedExpectations(proxy).checksSourceRanges(family)
        }

        @Test("affinity goes by client and service port", arguments: Proxy.available, IPVersion.allCases)
        func sticks(proxy: Proxy, family: IPVersion) throws { try RoutedExpectations(proxy).staysWithAffinity(family) }

        @Test("equal ports do not cross", arguments: Proxy.available, IPVersion.allCases)
        func separates(proxy: Proxy, family: IPVersion) throws {
            try RoutedExpectations(proxy).keepsEqualPortsApart(family)
        }

        @Test(
            "a client that resets, and uses its port again, disturbs nobody", arguments: Proxy.available,
            IPVersion.allCases)
        func survivesResets(proxy: Proxy, family: IPVersion) throws {
            try RoutedExpectations(proxy).survivesResets(family)
        }

        @Test("a port is used again within TIME_WAIT", arguments: Proxy.available, IPVersion.allCases)
        func reusesPort(proxy: Proxy, family: IPVersion) throws { try RoutedExpectations(proxy).reusesPort(family) }

        @Test("pods are served at every door", arguments: Proxy.available, Visit.all)
        func servesPods(proxy: Proxy, visit: Visit) throws {
            try RoutedExpectations(proxy).servesPods(visit.door, visit.family)
            try RoutedExpectations(proxy).refusesPods(visit.door, visit.family)
        }

        @Test("a pod reaches itself", arguments: Proxy.available, Visit.all)
        func servesHairpin(proxy: Proxy, visit: Visit) throws {
            try RoutedExpectations(proxy).servesHairpin(visit.door, visit.family)
        }

        @Test("pods reach a Local service elsewhere", arguments: Proxy.available, Visit.fromOutside)
        func shortCircuits(proxy: Proxy, visit: Visit) throws {
            try RoutedExpectations(proxy).shortCircuits(visit.door, visit.family)
        }

        /// A NodePort of its own address stays on the loopback device: that is for the socket hooks.
        @Test("the node itself is served", arguments: Proxy.available, Visit.fromNode)
        func servesNode(proxy: Proxy, visit: Visit) throws {
            try RoutedExpectations(proxy).servesNode(visit.door, visit.family)
        }

        @Test("large datagrams pass in fragments", arguments: Proxy.available, IPVersion.allCases)
        func fragments(proxy: Proxy, family: IPVersion) throws {
            for service in ["dns", "kept-udp"] {
                try RoutedExpectations(proxy).carriesLargeDatagrams(service, family)
            }
        }

        @Test("64 MB come back as they went", arguments: Proxy.available, IPVersion.allCases)
        func carriesBulk(proxy: Proxy, family: IPVersion) throws {
            for service in ["near", "remote"] {
                try RoutedExpectations(proxy).carriesBulk(service, .nodePort, family)
            }
        }

        @Test("10,000 flows live side by side, of TCP and of UDP", arguments: Proxy.available, IPVersion.allCases)
        func holdsFlows(proxy: Proxy, family: IPVersion) throws {
            for service in ["web", "dns"] { try RoutedExpectations(proxy).holdsManyFlows(10_000, service, family) }
        }
    }

    /// The daemon's attachments are what users have.
    @Suite("Much data beyond a router", .tags(.endToEnd), .serialized, .endToEnd, .routed())
    struct BulkData {
        /// First in bundles of segments of up to 64 KiB with checksums to be filled in, as veth devices pass them on;
        /// then in packets as they are on a wire.
        @Test("it comes back as it went, with and without segmentation offload", arguments: IPVersion.allCases)
        func carriesBulk(family: IPVersion) throws {
            let expectations = try RoutedExpectations(.daemon)
            let start = try expectations.packets()
            try expectations.carriesBulk("remote", .nodePort, family, megabytes: Bulk.megabytes)
            let bundled = try expectations.packets() - start
            try expectations.node.setOffload(false)
            defer { try? expectations.node.setOffload(true) }
            try expectations.carriesBulk("remote", .nodePort, family, megabytes: Bulk.megabytes)
            let single = try expectations.packets() - start - bundled
            // In packets of 1,500 bytes: the offload was on before, and is off now.
            let least = UInt64(Bulk.megabytes << 20) / 1_500
            #expect(bundled < least && single > least, "\(bundled), then \(single) packets")
        }
    }

    @Suite(
        "Beyond a router with a smaller MTU, bridged pods", .tags(.endToEnd), .serialized, .endToEnd,
        .routed(.bridged, clientMTU: 1_300))
    struct SmallMTU {
        @Test("every door leads to every backend", arguments: Proxy.available, Visit.all)
        func balances(proxy: Proxy, visit: Visit) throws {
            try RoutedExpectations(proxy).reachesEveryBackend(visit.door, visit.family)
        }

        @Test("pods of one bridge are served at every door", arguments: Proxy.seesBridgedPods, Visit.all)
        func servesPods(proxy: Proxy, visit: Visit) throws {
            try RoutedExpectations(proxy).servesPods(visit.door, visit.family)
        }

        @Test("a pod reaches itself", arguments: Proxy.seesBridgedPods, Visit.all)
        func servesHairpin(proxy: Proxy, visit: Visit) throws {
            try RoutedExpectations(proxy).servesHairpin(visit.door, visit.family)
        }

        /// A router's word that packets are too big must find its way through the translation.
        @Test("64 MB come back as they went", arguments: Proxy.available, IPVersion.allCases)
        func carriesBulk(proxy: Proxy, family: IPVersion) throws {
            let expectations = try RoutedExpectations(proxy)
            for service in ["remote", "kept"] {
                let before = try expectations.node.count(of: "packet_icmp")
                try expectations.carriesBulk(service, .loadBalancer, family)
                guard let before else { continue }
                #expect(try expectations.node.count(of: "packet_icmp") ?? 0 > before, "\(service)")
            }
        }

        @Test("much data comes back as it went, without segmentation offload", arguments: IPVersion.allCases)
        func carriesSingleSegments(family: IPVersion) throws {
            let expectations = try RoutedExpectations(.daemon)
            try expectations.node.setOffload(false)
            defer { try? expectations.node.setOffload(true) }
            for service in ["remote", "kept"] {
                try expectations.carriesBulk(service, .loadBalancer, family, megabytes: Bulk.megabytes)
            }
        }

        @Test("large answers follow once the sender knows the MTU", arguments: Proxy.available, IPVersion.allCases)
        func fragments(proxy: Proxy, family: IPVersion) throws {
            try RoutedExpectations(proxy).learnsPathMTU(family)
        }
    }
}

/// How much data much is. In each run of the tests it is little; `SWIFTLET_BULK_MEGABYTES=1024` sends a GB each time.
enum Bulk {
    static let megabytes =
        ProcessInfo.processInfo.environment["SWIFTLET_BULK_MEGABYTES"].flatMap { Int($0) } ?? 128
}

/// A door, and the family of the address behind which it is.
struct Visit: Sendable, CustomTestStringConvertible {
    var door: Door
    var family: IPVersion

    var testDescription: String { "\(door.rawValue), \(family)" }

    static let all = visits(to: Door.allCases)
    /// The doors at which the external policy counts.
    static let fromOutside = visits(to: [.nodePort, .loadBalancer, .externalIP])
    static let fromNode = visits(to: [.clusterIP, .loadBalancer, .externalIP])

    private static func visits(to doors: [Door]) -> [Visit] {
        doors.flatMap { door in IPVersion.allCases.map { Visit(door: door, family: $0) } }
    }
}
