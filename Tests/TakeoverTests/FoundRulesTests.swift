import NetworkLab
import ServiceModel
import TestKit
import Testing

@testable import Takeover

/// Which rules are kube-proxy's, and the scripts that come of them.
@Suite("Found rules")
struct FoundRulesTests {
    private let place = RulePlace(tool: .iptablesLegacy, family: .v4)

    private func find(_ text: String) throws -> FoundRules? { FoundRules(try SavedTables(text), at: place) }

    @Test("the kubelet's chains, and those that only look alike, are others'")
    func leavesKubelet() throws {
        let chains = [
            "KUBE-FIREWALL", "KUBE-MARK-DROP", "KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT", "KUBE-HP-A",
            "MY-KUBE-SVC-A",
        ]
        let text = (["*nat"] + chains.map { ":\($0) - [0:0]" } + ["COMMIT\n"]).joined(separator: "\n")
        #expect(try find(text) == nil)
    }

    @Test(
        "NodePorts are served at all local addresses, or at those of the rules",
        arguments: [
            ("-m addrtype --dst-type LOCAL", ["10.0.0.7": true, "203.0.113.9": true, "fd00::1": false]),
            ("-d 10.0.0.0/8", ["10.0.0.7": true, "203.0.113.9": false, "fd00::1": false]),
            ("-d 203.0.113.9/32", ["10.0.0.7": false, "203.0.113.9": true, "fd00::1": false]),
        ] as [(String, [String: Bool])])
    func nodePortAddresses(destination: String, addresses: [String: Bool]) throws {
        let found = try #require(
            try find(
                """
                *nat
                :KUBE-SERVICES - [0:0]
                :KUBE-NODEPORTS - [0:0]
                -A KUBE-SERVICES \(destination) -m comment --comment "last rule" -j KUBE-NODEPORTS
                -A KUBE-NODEPORTS -p tcp -m tcp --dport 30080 -j KUBE-EXT-A
                COMMIT

                """))
        #expect(found.nodePortAddresses.count == 1)
        for (text, isServed) in addresses {
            let address = try #require(IPAddress(text))
            #expect(found.nodePortAddresses.contains { $0.contains(address) } == isServed, "\(text)")
        }
    }

    @Test("in nftables they are in a set, or all")
    func nodePortSet() throws {
        let place = RulePlace(tool: .nft, family: .v4)
        func ranges(_ rule: String) -> Set<NodePortRange> {
            FoundRules(
                nftTable: """
                    table ip kube-proxy {
                    \tset nodeport-ips {
                    \t\ttype ipv4_addr
                    \t\telements = { 10.0.0.7, 192.0.2.1,
                    \t\t             192.0.2.2 }
                    \t}
                    \tchain services {
                    \t\t\(rule) meta l4proto . th dport vmap @service-nodeports
                    \t}
                    }
                    """, at: place
            ).nodePortAddresses
        }
        let set = ranges("ip daddr @nodeport-ips")
        #expect(set == Set(["10.0.0.7/32", "192.0.2.1/32", "192.0.2.2/32"].compactMap(CIDR.init).map { .within($0) }))
        #expect(ranges("fib daddr type local ip daddr != 127.0.0.0/8").contains(.local(.v4)))
    }

    private let small = """
        *nat
        :POSTROUTING ACCEPT [0:0]
        :KUBE-POSTROUTING - [0:0]
        :MINE - [0:0]
        -A POSTROUTING -j MINE
        -A POSTROUTING -m comment --comment "a b" -j KUBE-POSTROUTING
        -A POSTROUTING -s 10.0.0.0/8 -j MINE
        -A KUBE-POSTROUTING -j MASQUERADE --random-fully
        COMMIT
        *filter
        :FORWARD ACCEPT [0:0]
        :KUBE-FORWARD - [0:0]
        -A FORWARD -j KUBE-FORWARD
        -A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
        COMMIT

        """

    @Test("translation goes first and comes back last, to the same places")
    func writesScripts() throws {
        let found = try #require(try find(small))
        #expect(
            found.removal == """
                *nat
                :SWIFTLET-TAKEOVER - [0:0]
                -A SWIFTLET-TAKEOVER -m comment --comment "keeps connections that kube-proxy translated" \
                -m conntrack --ctstate DNAT -j RETURN
                :KUBE-POSTROUTING - [0:0]
                -D POSTROUTING -m comment --comment "a b" -j KUBE-POSTROUTING
                -X KUBE-POSTROUTING
                COMMIT
                *filter
                :KUBE-FORWARD - [0:0]
                -D FORWARD -j KUBE-FORWARD
                -X KUBE-FORWARD
                COMMIT

                """)
        #expect(
            found.restoration == """
                *filter
                :KUBE-FORWARD - [0:0]
                -A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
                -I FORWARD 1 -j KUBE-FORWARD
                COMMIT
                *nat
                :SWIFTLET-TAKEOVER - [0:0]
                -X SWIFTLET-TAKEOVER
                :KUBE-POSTROUTING - [0:0]
                -A KUBE-POSTROUTING -j MASQUERADE --random-fully
                -I POSTROUTING 2 -m comment --comment "a b" -j KUBE-POSTROUTING
                COMMIT

                """)
        #expect(found.foreign.contains("-A POSTROUTING -s 10.0.0.0/8 -j MINE"))
        #expect(!found.foreign.contains("KUBE-"))
        #expect(found.obstacles == [] && found.kept == [])
    }

    @Test("a place that is past the end of a chain becomes its end")
    func fits() throws {
        let found = try #require(try find(small))
        let empty = try SavedTables("*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n")
        #expect(FoundRules.fit(found.restoration, to: empty).contains("-I POSTROUTING 1 -m comment"))
        #expect(FoundRules.fit(found.restoration, to: try SavedTables(small)) == found.restoration)
    }

    @Test("where FORWARD drops, KUBE-FORWARD stays and is named")
    func keepsForward() throws {
        let found = try #require(
            try find(small.replacing(":FORWARD ACCEPT", with: ":FORWARD DROP")))
        #expect(found.kept.count == 1)
        #expect(!found.removal.contains("KUBE-FORWARD") && !found.restoration.contains("KUBE-FORWARD"))
        #expect(found.foreign.contains("-A FORWARD -j KUBE-FORWARD"))
    }

    @Test("a rule of others that leads into a chain of kube-proxy is an obstacle")
    func findsObstacle() throws {
        let text = small.replacing("-A POSTROUTING -j MINE", with: "-A MINE -g KUBE-POSTROUTING")
        let obstacle = try #require(try find(text)?.obstacles.first)
        #expect(obstacle.contains("-A MINE -g KUBE-POSTROUTING"))
    }

    private var services: [KubeProxyIptables.Service] {
        get throws {
            let pod = try #require(SocketAddress(host: "10.244.0.11", port: 8080))
            let vips = try [1, 2].map { try #require(SocketAddress(host: "10.96.0.\($0)", port: 80)) }
            var web = KubeProxyIptables.Service("default/web:http", vips[0], endpoints: [pod])
            (web.nodePort, web.externalIPs, web.loadBalancerIPs) = (30_080, ["198.51.100.7"], ["203.0.113.10"])
            var nobody = KubeProxyIptables.Service("default/nobody", vips[1], endpoints: [])
            (nobody.proto, nobody.nodePort) = ("udp", 30_081)
            return [web, nobody]
        }
    }

    @Test("the frontends of iptables' rules are known, those that refuse too")
    func knowsFrontends() throws {
        // What is loaded says -I where the kernel's list says -A.
        let text = KubeProxyIptables(try services, clusterRange: "10.244.0.0/16").text
        let frontends = try #require(try find(text.replacing(#/-I (\w+) 1/#, with: { "-A \($0.output.1)" }))).frontends
        #expect(
            frontends.sorted().map(\.description) == [
                "10.96.0.1:80/TCP", "10.96.0.2:80/UDP", "198.51.100.7:80/TCP", "203.0.113.10:80/TCP",
                "NodePort 30080/TCP", "NodePort 30081/UDP",
            ])
    }

    @Test("the frontends of nftables' maps are known")
    func knowsElements() {
        let text = """
            table ip kube-proxy {
            \tset cluster-ips {
            \t\ttype ipv4_addr
            \t\telements = { 10.96.0.1, 10.96.0.10 }
            \t}
            \tmap service-ips {
            \t\ttype ipv4_addr . inet_proto . inet_service : verdict
            \t\telements = { 10.96.0.1 . tcp . 443 : goto service-A-default/kubernetes/tcp/https,
            \t\t\t     10.96.0.10 . udp . 53 : goto service-B-kube-system/kube-dns/udp/dns }
            \t}
            \tmap no-endpoint-nodeports {
            \t\ttype inet_proto . inet_service : verdict
            \t\telements = { sctp . 30000 : goto reject-chain }
            \t}
            \tmap firewall-ips {
            \t\ttype ipv4_addr . inet_proto . inet_service : verdict
            \t\telements = { 203.0.113.1 . tcp . 80 : goto firewall-A }
            \t}
            }
            """
        let found = FoundRules(nftTable: text, at: RulePlace(tool: .nft, family: .v4))
        #expect(
            found.frontends.sorted().map(\.description) == [
                "10.96.0.1:443/TCP", "10.96.0.10:53/UDP", "NodePort 30000/SCTP",
            ])
        #expect(found.removal.hasSuffix("delete table ip kube-proxy\n"))
        #expect(found.restoration.hasSuffix(text))
    }
}
