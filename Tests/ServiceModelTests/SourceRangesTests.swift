import ServiceModel
import Testing

@Suite("Source ranges")
struct SourceRangesTests {
    private func sources(
        _ ranges: [String], family: IPFamily = .v4, node: [IPAddress] = [], pods: [CIDR] = [], checks: Bool = true
    ) -> SourceRanges? {
        let service = Service.make("api", .loadBalancer, clusterIPs: ["10.96.0.15", "fd00:96::15"]) {
            $0.ingress = [.init(address: "203.0.113.1"), .init(address: "2001:db8::2")]
            $0.loadBalancerSourceRanges = ranges
        }
        let here = NodeConfiguration.here.changed {
            $0.primaryAddresses = node
            $0.podRanges = pods
            $0.checksPackets = checks
        }
        return compile(service: service, slices: [], node: here).ports
            .flatMap(\.frontends).first { $0.kind == .loadBalancer && $0.key.address.family == family }?.sourceRanges
    }

    private func ranges(_ texts: String...) -> [CIDR] { texts.compactMap { CIDR($0) } }

    @Test("spec 24: trimmed, sorted, each once, of the own family")
    func own() {
        let texts = [" 192.168.0.0/16", "10.0.0.0/8\t", "10.9.9.9/8", "fd00::/8", " "]
        #expect(sources(texts)?.ranges == ranges("10.0.0.0/8", "192.168.0.0/16"))
        #expect(sources(texts, family: .v6)?.ranges == ranges("fd00::/8"))
    }

    @Test(
        "spec 24: no range of the family, or one of all addresses, is no restriction",
        arguments: [[], [" "], ["fd00::/8"], ["::/0"], ["10.0.0.0/8", " 0.0.0.0/0 "]])
    func unrestricted(texts: [String]) {
        #expect(sources(texts) == nil)
    }

    @Test("spec 24: a /0 of the other family lifts nothing")
    func otherZero() {
        #expect(sources(["10.0.0.0/8", "::/0"])?.ranges == ranges("10.0.0.0/8"))
    }

    @Test("a range that cannot be read admits nobody, and opens nothing")
    func mistake() {
        #expect(sources(["10.0.0.0/33"]) == SourceRanges([], pods: .byPacket))
        #expect(sources(["10.0.0.0/33", "10.0.0.0/8"])?.ranges == ranges("10.0.0.0/8"))
    }

    @Test(
        "spec 24: pods are decided on at once where all of them are inside or none is, and by their packets elsewhere",
        arguments: [
            (["10.244.0.0/16"], ["10.244.1.0/24"], .every), (["10.244.1.0/24"], ["10.244.1.0/24"], .every),
            (["10.0.0.0/16", "10.244.0.0/16"], ["10.244.1.0/24", "10.0.9.0/24"], .every),
            (["192.0.2.0/24"], ["10.244.1.0/24"], SourceRanges.Pods.none),
            (["10.244.1.12/32"], ["10.244.1.0/24"], .byPacket),
            (["10.244.1.0/24"], ["10.244.1.0/24", "10.0.9.0/24"], .byPacket),
            (["10.244.1.0/24"], ["fd00:10:244::/64"], .byPacket), (["192.0.2.0/24"], [], .byPacket),
        ] as [([String], [String], SourceRanges.Pods)])
    func pods(texts: [String], pods: [String], expected: SourceRanges.Pods) {
        let pods = pods.compactMap { CIDR($0) }
        #expect(sources(texts, pods: pods)?.pods == expected)
        let unchecked = sources(texts, pods: pods, checks: false)?.pods
        #expect(unchecked == (expected == .byPacket ? .undecided : expected))
    }

    @Test("pods' addresses are known by what is told of them, unless a route to a pod contradicts it")
    func podRanges() {
        var settings = NodeSettings(name: "here")
        settings.localTraffic.clusterCIDRs = ranges("10.0.0.0/8")
        var node = Node(name: "here")
        node.podCIDRs = ranges("10.244.1.0/24", "fd00:10:244::/64")
        func known(_ routes: CIDR...) -> [CIDR] {
            NodeConfiguration(settings, node: node, localAddresses: [], podRoutes: routes).podRanges
        }
        #expect(known() == ranges("10.0.0.0/8", "10.244.1.0/24", "fd00:10:244::/64"))
        #expect(known(ranges("10.244.1.7/32")[0]) == known())
        #expect(known(ranges("172.17.0.0/16")[0]) == ranges("fd00:10:244::/64"))
    }

    @Test("spec 24: a node inside a range admits the VIP, in its own family")
    func node() {
        let texts = ["192.0.2.0/24", "fd00::/8"]
        #expect(sources(texts, node: ["192.0.2.1", "2001:db8::1"])?.admitsVIP == true)
        #expect(sources(texts, family: .v6, node: ["192.0.2.1", "2001:db8::1"])?.admitsVIP == false)
        #expect(sources(texts, node: ["198.51.100.1"])?.admitsVIP == false)
    }
}
