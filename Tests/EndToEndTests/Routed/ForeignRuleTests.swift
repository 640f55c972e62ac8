import Foundation
import NetworkLab
import Testing

/// What others configure for packets that a node forwards holds for Services as well. kube-proxy's rules obey all of it,
/// since the kernel forwards; so do the programs, unless they are told to send packets on by themselves.
@Suite("Rules of others", .tags(.endToEnd), .serialized, .endToEnd, .hasNftables, .routed())
struct ForeignRuleTests {
    private struct Scene {
        let node: RoutedNode
        let family: IPVersion
        var path: String { node.topology.node.path }

        init(_ arrangement: Arrangement, _ family: IPVersion) throws {
            node = try .current(arrangement)
            self.family = family
        }

        /// A NodePort whose endpoint is elsewhere, and one whose endpoint is here, with either protocol.
        func results(from client: String, count: Int = 3, timeout: Int = 5_000) throws -> [String: Set<String>] {
            var results: [String: Set<String>] = [:]
            for (name, udp) in Bystanders.meetings {
                let options = ["--bind", client, "--count", "\(count)", "--timeout", "\(timeout)"]
                results[name] = try node.call(
                    RoutedService[name].door(.nodePort, family), options: options + Bystanders.transport(udp)
                ).results
            }
            return results
        }

        func expectServed(_ client: String, _ occasion: String) throws {
            for (name, results) in try results(from: client) { #expect(results == ["ok"], "\(occasion): \(name)") }
        }

        func expectUnserved(_ client: String, _ occasion: String) throws {
            for (name, results) in try results(from: client, count: 1, timeout: 300) {
                #expect(!results.contains("ok"), "\(occasion): \(name)")
            }
        }
    }

    @Test("FORWARD drops a client", arguments: Arrangement.throughStack, IPVersion.allCases)
    func dropsClient(arrangement: Arrangement, family: IPVersion) throws {
        let scene = try Scene(arrangement, family)
        let (dropped, other) = (family.clients[1], family.clients[2])
        let rules = try ForeignRules.forward(policy: "accept", "\(family.nft) saddr \(dropped) drop", in: scene.path)
        try scene.expectUnserved(dropped, "dropped")
        try scene.expectServed(other, "others")
        withExtendedLifetime(rules) {}
    }

    /// A policy for a pod, as a CNI that enforces with iptables writes it: it sees the client, and the pod.
    @Test("FORWARD protects a pod", arguments: Arrangement.throughStack, IPVersion.allCases)
    func protectsPod(arrangement: Arrangement, family: IPVersion) throws {
        let scene = try Scene(arrangement, family)
        let pod = RoutedService.localPods[0].address(family)
        let (dropped, other) = (family.clients[1], family.clients[2])
        let rules = try ForeignRules.forward(
            policy: "accept", "\(family.nft) saddr \(dropped) \(family.nft) daddr \(pod) drop", in: scene.path)
        for (name, results) in try scene.results(from: dropped, count: 1, timeout: 300) {
            #expect(results.contains("ok") == name.hasPrefix("remote"), "\(name)")
        }
        try scene.expectServed(other, "others")
        withExtendedLifetime(rules) {}
    }

    @Test("FORWARD drops what is invalid for the connection tracking", arguments: Arrangement.all, IPVersion.allCases)
    func dropsInvalid(arrangement: Arrangement, family: IPVersion) throws {
        let scene = try Scene(arrangement, family)
        let rules = try ForeignRules.forward(policy: "accept", "ct state invalid drop", in: scene.path)
        try scene.expectServed(family.clients[1], "clients")
        if arrangement.seesPods {
            try RoutedExpectations(arrangement).servesPods(.clusterIP, family)
            try RoutedExpectations(arrangement).servesHairpin(.clusterIP, family)
        }
        let held = try HeldFlows(
            scene.node.hold(RoutedService["remote"].door(.nodePort, family), "--timeout", "5000"))
        for _ in 0..<3 { #expect(try held.send().map(\.result) == ["ok"]) }
        try Bystanders(node: scene.node, family: family).expectProbesAnswered("with a firewall")
        withExtendedLifetime(rules) {}
    }

    /// Docker's policy is drop; a CNI lets its pods' packets pass.
    @Test("FORWARD accepts what is for pods, and nothing else", arguments: Arrangement.throughStack, IPVersion.allCases)
    func acceptsPods(arrangement: Arrangement, family: IPVersion) throws {
        let scene = try Scene(arrangement, family)
        do {
            let rules = try ForeignRules.forward(
                policy: "drop", "\(family.nft) daddr \(family.podRange) accept",
                "\(family.nft) saddr \(family.podRange) accept", "meta l4proto ipv6-icmp accept", in: scene.path)
            try scene.expectServed(family.clients[1], "accepted")
            withExtendedLifetime(rules) {}
        }
        let rules = try ForeignRules.forward(policy: "drop", in: scene.path)
        try scene.expectUnserved(family.clients[1], "not accepted")
        withExtendedLifetime(rules) {}
    }

    @Test("a CNI masquerades what pods send to the network", arguments: Arrangement.all, IPVersion.allCases)
    func masquerades(arrangement: Arrangement, family: IPVersion) throws {
        let scene = try Scene(arrangement, family)
        let rules = try ForeignRules(
            """
            chain leaving {
                type nat hook postrouting priority srcnat + 10; policy accept;
                \(family.nft) saddr \(family.podRange) \(family.nft) daddr != \(family.podRange) masquerade fully-random
            }
            """, in: scene.path)
        try scene.expectServed(family.clients[1], "clients")
        if arrangement.seesPods { try RoutedExpectations(arrangement).servesPods(.clusterIP, family) }
        try Bystanders(node: scene.node, family: family).expectProbesAnswered("with a masquerade")
        withExtendedLifetime(rules) {}
    }

    /// `redirect` obeys too: the daemon learns of the policy, and leaves such flows to the kernel, which drops them.
    @Test("an IPsec policy blocks the way to endpoints", arguments: Arrangement.obeyingIPsec, IPVersion.allCases)
    func blocks(arrangement: Arrangement, family: IPVersion) throws {
        let scene = try Scene(arrangement, family)
        let (all, pods) = family == .v4 ? ("0.0.0.0/0", "10.244.2.0/24") : ("::/0", "fd00:10:244:2::/64")
        let selector = "src \(all) dst \(pods) dir out"
        try scene.node.topology.node.ip(lines: ["xfrm policy add \(selector) action block"])
        defer { try? scene.node.topology.node.ip(lines: ["xfrm policy delete \(selector)"]) }
        for (name, udp) in Bystanders.meetings {
            let door = try RoutedService[name].door(.nodePort, family)
            let isServed = name.hasPrefix("near")
            let options = ["--timeout", isServed ? "5000" : "300"] + Bystanders.transport(udp)
            #expect(
                try eventually { (try scene.node.call(door, options: options).results == ["ok"]) == isServed },
                "\(name)")
        }
    }

    /// A datagram from the wire with a source that lies behind another device.
    @Test("strict reverse path filtering drops spoofed sources", arguments: Arrangement.throughStack)
    func filters(arrangement: Arrangement) throws {
        let scene = try Scene(arrangement, .v4)
        let node = scene.node
        let spoofed = "10.250.0.5"
        try node.topology.client.ip(lines: ["address add \(spoofed)/32 dev eth0"])
        try node.topology.node.ip(lines: ["route add \(spoofed)/32 dev pod-1-3"])
        for device in ["all", "eth0"] { try node.topology.node.set("ipv4/conf/\(device)/rp_filter", to: "1") }
        defer {
            for device in ["all", "eth0"] { try? node.topology.node.set("ipv4/conf/\(device)/rp_filter", to: "2") }
            try? node.topology.node.ip(lines: ["route del \(spoofed)/32 dev pod-1-3"])
            try? node.topology.client.ip(lines: ["address del \(spoofed)/32 dev eth0"])
        }
        try scene.expectServed(scene.family.clients[1], "true sources")
        let before = try datagrams(node)
        for name in ["near-udp", "remote-udp"] {
            let calls = try scene.node.call(
                RoutedService[name].door(.nodePort, .v4), "--udp", "--bind", spoofed, "--timeout", "300")
            #expect(calls.results != ["ok"], "\(name)")
        }
        #expect(try datagrams(node) == before, "an endpoint has seen a spoofed datagram")
    }

    /// How many datagrams the endpoints of `near-udp` and `remote-udp` have had.
    private func datagrams(_ node: RoutedNode) throws -> [Int] {
        func received(_ namespace: borrowing NetworkNamespace) throws -> Int {
            let text = try namespace.run { try String(contentsOfFile: "/proc/thread-self/net/snmp", encoding: .utf8) }
            let lines = text.split(separator: "\n").filter { $0.hasPrefix("Udp:") }
            return lines.last?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        }
        return [try received(node.topology.pods[0].namespace), try received(node.topology.otherPods[0].namespace)]
    }

    @Test("what redirect passes by is said", arguments: Arrangement.redirecting)
    func says(arrangement: Arrangement) throws {
        let status = try RoutedNode.current(arrangement).status()
        #expect(status?.daemon?.packets?.forwarding == "redirect")
        let risks = status?.daemon?.risks ?? []
        #expect(risks.contains { $0.contains("netfilter") && $0.contains("rp_filter") }, "\(risks)")
    }
}

extension Arrangement {
    fileprivate static let throughStack = all.filter { !$0.redirects }
    fileprivate static let obeyingIPsec = all.filter { !$0.redirects || $0.proxy == .daemon }
    fileprivate static let redirecting = all.filter { $0.redirects && $0.proxy == .daemon }
}

extension IPVersion {
    /// What nft calls the header.
    fileprivate var nft: String { self == .v4 ? "ip" : "ip6" }
}
