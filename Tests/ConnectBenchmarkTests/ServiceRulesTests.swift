import NetworkLab
import Testing

@testable import ConnectBenchmark

@Suite("Rules that kube-proxy would write")
struct ServiceRulesTests {
    private static let endpoints = [
        SocketAddress(address: [10, 244, 0, 11], port: 8080), SocketAddress(address: [10, 244, 0, 12], port: 8080),
    ]

    private func text(_ rules: RuleSet, services: Int) -> String {
        rules.text(
            RuleService.all(RuleService.frontends(services), Self.endpoints), clusterRange: "10.244.0.0/16")
    }

    @Test("nftables: one map entry, one chain for the service, one for each endpoint")
    func nftables() {
        let service = RuleService.all(RuleService.frontends(1), Self.endpoints)[0]
        let chain = "service-\(service.tag)-default/bench-1/tcp/http"
        let first = "endpoint-\(service.tag(of: Self.endpoints[0]))-default/bench-1/tcp/http__10.244.0.11/8080"
        let second = "endpoint-\(service.tag(of: Self.endpoints[1]))-default/bench-1/tcp/http__10.244.0.12/8080"
        let found = text(.nftables, services: 1)
        #expect(found.contains("\t\t\t198.18.0.1 . tcp . 80 : goto \(chain),\n"))
        #expect(
            found.contains(
                """
                \tchain \(first) {
                \t\tip saddr 10.244.0.11 jump mark-for-masquerade
                \t\tmeta l4proto tcp dnat to 10.244.0.11:8080
                \t}

                """))
        #expect(
            found.contains(
                """
                \tchain \(chain) {
                \t\tip daddr 198.18.0.1 tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade
                \t\tnumgen random mod 2 vmap { 0 : goto \(first), 1 : goto \(second) }
                \t}

                """))
    }

    @Test("iptables: the last endpoint is certain, the others are drawn")
    func iptables() {
        let service = RuleService.all(RuleService.frontends(1), Self.endpoints)[0]
        let (first, second) = (service.tag(of: Self.endpoints[0]), service.tag(of: Self.endpoints[1]))
        let tag = service.tag
        let expected = #"""
            *nat
            :KUBE-SERVICES - [0:0]
            :KUBE-NODEPORTS - [0:0]
            :KUBE-POSTROUTING - [0:0]
            :KUBE-MARK-MASQ - [0:0]
            :KUBE-SVC-\#(tag) - [0:0]
            :KUBE-SEP-\#(first) - [0:0]
            :KUBE-SEP-\#(second) - [0:0]
            -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
            -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
            -A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
            -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
            -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
            -A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
            -A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
            -A KUBE-SVC-\#(tag) ! -s 10.244.0.0/16 -d 198.18.0.1/32 -p tcp -m comment --comment "default/bench-1:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
            -A KUBE-SVC-\#(tag) -m comment --comment "default/bench-1:http -> 10.244.0.11:8080" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-\#(first)
            -A KUBE-SEP-\#(first) -s 10.244.0.11/32 -m comment --comment default/bench-1:http -j KUBE-MARK-MASQ
            -A KUBE-SEP-\#(first) -p tcp -m comment --comment default/bench-1:http -m tcp -j DNAT --to-destination 10.244.0.11:8080
            -A KUBE-SVC-\#(tag) -m comment --comment "default/bench-1:http -> 10.244.0.12:8080" -j KUBE-SEP-\#(second)
            -A KUBE-SEP-\#(second) -s 10.244.0.12/32 -m comment --comment default/bench-1:http -j KUBE-MARK-MASQ
            -A KUBE-SEP-\#(second) -p tcp -m comment --comment default/bench-1:http -m tcp -j DNAT --to-destination 10.244.0.12:8080
            -A KUBE-SERVICES -d 198.18.0.1/32 -p tcp -m comment --comment "default/bench-1:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-\#(tag)
            -A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
            COMMIT

            """#
        #expect(text(.iptables, services: 1) == expected)
    }

    @Test("ten thousand services have as many frontends and chains")
    func unique() {
        let services = RuleService.all(RuleService.frontends(10_000), Self.endpoints)
        #expect(Set(services.map(\.frontend)).count == 10_000)
        #expect(Set(services.map(\.tag) + services.flatMap { s in s.endpoints.map(s.tag(of:)) }).count == 30_000)
    }
}
