import ServiceModel
import Testing

@Suite("Compiler")
struct CompilerTests {
    /// A state, its compiler, and the dump after each change.
    private struct Pipeline {
        var state = ClusterState()
        var compiler = Compiler()
        var node = NodeConfiguration.here

        @discardableResult
        mutating func apply(_ events: ClusterEvent...) -> DesiredChanges {
            let dirty = state.apply(events)
            return compiler.update(dirty: dirty, state: state, node: node)
        }

        var frontends: [String] {
            compiler.desired.lines.split(separator: "\n").filter { $0.hasPrefix("frontend") }.map { line in
                let words = line.split(separator: " ")
                return "\(words[1]) \(words.drop { $0 != "→" }.dropFirst().first ?? "")"
            }
        }
    }

    private func external(_ name: String, _ clusterIP: IPAddress) -> Service {
        .make(ObjectName(namespace: "default", name: name), .clusterIP, clusterIPs: [clusterIP]) {
            $0.externalIPs = ["198.51.100.1"]
        }
    }

    @Test("returns what changed, and nothing when nothing did")
    func changes() {
        var pipeline = Pipeline()
        #expect(pipeline.apply(.service(.make())).upserts.map(\.name) == ["api"])
        #expect(pipeline.apply(.slice(.make(.ready("10.0.0.1")))).upserts.map(\.name) == ["api"])
        #expect(pipeline.apply(.slice(.make(.ready("10.0.0.1"), .unready("10.0.0.2")))).isEmpty)
        #expect(pipeline.apply(.serviceGone("api")).removals == ["api"])
        #expect(pipeline.apply(.serviceGone("api")).isEmpty)
        #expect(pipeline.compiler.desired == DesiredState())
    }

    @Test("another node configuration compiles everything")
    func nodeChange() {
        var pipeline = Pipeline()
        pipeline.apply(.service(.make()), .service(.make("web", .clusterIP, clusterIPs: ["10.96.0.16"])))
        pipeline.node.proxyName = "mine"
        #expect(pipeline.apply().upserts.map(\.name) == ["api", "web"])
    }

    @Test("spec 25: nobody takes a load balancer's address or a NodePort by writing it into externalIPs")
    func assignedFirst() {
        var pipeline = Pipeline()
        let thief = Service.make("a", .clusterIP, clusterIPs: ["10.96.0.1"], ports: [.init(port: 443)]) {
            $0.externalIPs = ["203.0.113.50"]
            $0.created = UnixTime(nanoseconds: 1)
        }
        let nodePortThief = Service.make("b", .clusterIP, clusterIPs: ["10.96.0.2"], ports: [.init(port: 30443)]) {
            $0.externalIPs = ["192.0.2.1"]
        }
        pipeline.apply(.service(thief), .service(nodePortThief))
        pipeline.apply(
            .service(
                .make("web", .loadBalancer, clusterIPs: ["10.96.0.3"], ports: [.init(port: 443, nodePort: 30443)]) {
                    $0.ingress = [.init(address: "203.0.113.50")]
                }))
        #expect(
            pipeline.frontends == [
                "10.96.0.1:443/TCP default/a", "10.96.0.2:30443/TCP default/b", "10.96.0.3:443/TCP default/web",
                "127.0.0.1:30443/TCP default/web", "192.0.2.1:30443/TCP default/web",
                "203.0.113.50:443/TCP default/web",
            ])
    }

    @Test("spec 25: of two external IPs the older Service's stays, whatever the names")
    func olderFirst() {
        var pipeline = Pipeline()
        for (name, age) in [("a", 30), ("b", nil), ("c", 20), ("d", 20)] as [(String, Int64?)] {
            pipeline.apply(
                .service(
                    external(name, IPAddress(v4: 0x0a60_0001 + UInt32(age ?? 0))).changed {
                        $0.clusterIPs = [IPAddress(v4: 0x0a60_0000 + UInt32(name.utf8.first ?? 0))]
                        $0.created = age.map { UnixTime(nanoseconds: $0) }
                    }))
        }
        for holder in ["c", "d", "a", "b"] {
            #expect(pipeline.frontends.contains("198.51.100.1:80/TCP default/\(holder)"))
            pipeline.apply(.serviceGone(ObjectName(namespace: "default", name: holder)))
        }
    }

    @Test("spec 25: where nothing says which is older, the first by name keeps the frontend, whoever came first")
    func conflict() {
        var pipeline = Pipeline()
        pipeline.apply(.service(external("b", "10.96.0.2")))
        let changes = pipeline.apply(.service(external("a", "10.96.0.1")))
        #expect(changes.upserts.map(\.name) == ["a", "b"])
        #expect(
            pipeline.frontends == [
                "10.96.0.1:80/TCP default/a", "10.96.0.2:80/TCP default/b", "198.51.100.1:80/TCP default/a",
            ])
        #expect(
            pipeline.compiler.conflicts.map(\.description) == [
                "default/b cannot have 198.51.100.1:80/TCP: default/a holds it"
            ])
    }

    @Test("spec 25: a frontend that is given up goes to the next")
    func handOver() {
        var pipeline = Pipeline()
        for name in ["a", "b", "c"] {
            pipeline.apply(.service(external(name, IPAddress(v4: 0x0a60_0000 + UInt32(name.utf8.count)))))
        }
        let changes = pipeline.apply(.serviceGone("a"))
        #expect(changes.removals == ["a"] && changes.upserts.map(\.name) == ["b"])
        #expect(pipeline.compiler.conflicts.contains { $0.service == "c" && $0.heldBy == "b" })
        #expect(
            pipeline.apply(.service(external("b", "10.96.0.9").changed { $0.externalIPs = [] })).upserts.map(\.name)
                == ["b", "c"])
        #expect(pipeline.compiler.conflicts.isEmpty)
    }

    @Test("spec 25: nobody takes a ClusterIP by writing it into externalIPs")
    func clusterIPFirst() {
        var pipeline = Pipeline()
        let thief = Service.make("a", .clusterIP, clusterIPs: ["10.96.0.1"]) { $0.externalIPs = ["10.96.0.10"] }
        pipeline.apply(.service(thief))
        pipeline.apply(.service(.make("dns", .clusterIP, clusterIPs: ["10.96.0.10"])))
        #expect(pipeline.frontends == ["10.96.0.1:80/TCP default/a", "10.96.0.10:80/TCP default/dns"])
        pipeline.apply(.serviceGone("dns"))
        #expect(pipeline.frontends == ["10.96.0.1:80/TCP default/a", "10.96.0.10:80/TCP default/a"])
    }

    @Test("spec 25: both scopes of a frontend are lost together")
    func scopes() {
        var pipeline = Pipeline()
        pipeline.apply(
            .service(external("a", "10.96.0.1")),
            .service(external("b", "10.96.0.2").changed { $0.externalPolicy = .local }))
        #expect(
            pipeline.frontends == [
                "10.96.0.1:80/TCP default/a", "10.96.0.2:80/TCP default/b", "198.51.100.1:80/TCP default/a",
            ])
    }

    @Test("spec 35: affinity may be switched to and fro")
    func affinity() {
        var pipeline = Pipeline()
        pipeline.apply(.service(.make()))
        let on = pipeline.apply(.service(.make { $0.affinitySeconds = 10800 }))
        #expect(on.upserts.flatMap(\.ports).map(\.affinitySeconds) == [10800])
        let off = pipeline.apply(.service(.make()))
        #expect(off.upserts.flatMap(\.ports).map(\.affinitySeconds) == [0])
    }
}
