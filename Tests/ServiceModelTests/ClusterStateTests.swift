import ServiceModel
import Testing

@Suite("State of the cluster")
struct ClusterStateTests {
    private let api: ObjectName = "api"

    @Test("equal content makes nothing dirty")
    func equal() {
        var state = ClusterState()
        let slice = EndpointSlice.make(.ready("10.0.0.1", on: "here"))
        #expect(state.apply(.service(.make())) == [api])
        #expect(state.apply(.service(.make())) == [])
        #expect(state.apply(.slice(slice)) == [api])
        #expect(state.apply(.slice(slice)) == [])
        #expect(state.apply(.node(Node(name: "here"))) == [api])
        #expect(state.apply(.node(Node(name: "here"))) == [])
    }

    @Test("labels and annotations that decide nothing make nothing dirty")
    func irrelevant() {
        var state = ClusterState()
        _ = state.apply([.service(.make()), .slice(.make(.ready("10.0.0.1"))), .node(Node(name: "here"))])
        var slice = EndpointSlice.make(.ready("10.0.0.1"))
        slice.labels = ["a": "b"]
        var node = Node(name: "here")
        node.labels = ["a": "b"]
        let service = Service.make {
            $0.labels = ["a": "b"]
            $0.annotations = ["c": "d"]
        }
        #expect(state.apply([.service(service), .slice(slice), .node(node)]) == [])
    }

    @Test("spec 46: whether a node may get traffic from outside is kept, and makes nothing dirty")
    func eligibility() throws {
        let range = try #require(CIDR("10.244.0.0/24"))
        var state = ClusterState(ownNode: "here")
        _ = state.apply([.service(.make()), .node(Node(name: "here"))])
        var node = Node(name: "here")
        node.isBeingDeleted = true
        #expect(state.apply(.node(node)) == [])
        #expect(state.node(named: "here")?.isBeingDeleted == true)
        node.isTaintedForDeletion = true
        #expect(state.apply(.node(node)) == [])
        #expect(state.node(named: "here")?.isTaintedForDeletion == true)
        node.podCIDRs = [range]
        #expect(state.apply(.node(node)) == [])
        #expect(state.node(named: "here")?.podCIDRs == [range])
        node.addresses = ["192.0.2.1"]
        #expect(state.apply(.node(node)) == [api])
    }

    @Test("spec 48: the time of a change comes with the event and is not kept")
    func changeTrigger() {
        var state = ClusterState()
        var slice = EndpointSlice.make(.ready("10.0.0.1"))
        slice.lastChangeTrigger = UnixTime(nanoseconds: 1)
        #expect(state.apply([.service(.make()), .slice(slice)]) == [api])
        #expect(state.slices(of: api).map(\.lastChangeTrigger) == [nil])
        slice.lastChangeTrigger = UnixTime(nanoseconds: 2)
        #expect(state.apply(.slice(slice)) == [])
    }

    @Test("slices may come before their Service, and stay after it")
    func order() {
        var state = ClusterState()
        #expect(state.apply(.slice(.make(.ready("10.0.0.1")))) == [])
        #expect(state.apply(.service(.make())) == [api])
        #expect(state.slices(of: api).count == 1)
        #expect(state.apply(.serviceGone(api)) == [api])
        #expect(state.apply(.serviceGone(api)) == [])
        #expect(state.service(named: api) == nil && state.slices(of: api).count == 1)
        #expect(state.apply(.sliceGone("api-1")) == [])
        #expect(state.sliceCount == 0 && state.serviceNames.isEmpty)
    }

    @Test("spec 4: a slice that changes hands makes both Services dirty")
    func moves() {
        var state = ClusterState()
        _ = state.apply([.service(.make()), .service(.make("web")), .slice(.make(.ready("10.0.0.1")))])
        #expect(state.apply(.slice(.make(.ready("10.0.0.1"), of: "web"))) == [api, "web"])
        #expect(state.slices(of: api).isEmpty && state.slices(of: "web").count == 1)
        #expect(state.apply(.slice(.make(.ready("10.0.0.1"), of: ""))) == ["web"])
        #expect(state.sliceCount == 0)
    }

    @Test("spec 4: a Service and its slices share a namespace")
    func namespaces() {
        var state = ClusterState()
        let other = ObjectName(namespace: "other", name: "api-1")
        #expect(state.apply([.service(.make()), .slice(.make(.ready("10.0.0.1"), name: other))]) == [api])
        #expect(state.slices(of: api).isEmpty)
    }

    @Test("only the own node's changes concern the Services")
    func ownNode() {
        var state = ClusterState(ownNode: "here")
        _ = state.apply(.service(.make()))
        #expect(state.apply(.node(Node(name: "there"))) == [])
        #expect(state.apply(.node(Node(name: "here"))) == [api])
        #expect(state.node(named: "there") != nil)
        #expect(state.apply([.nodeGone("there"), .nodeGone("nowhere")]) == [])
        #expect(state.apply(.nodeGone("here")) == [api])
    }

    @Test("slices are sorted by name and replaced by name")
    func sorted() {
        var state = ClusterState()
        for name in ["api-2", "api-3", "api-1", "api-2"] {
            _ = state.apply(.slice(.make(.ready("10.0.0.1"), name: ObjectName(namespace: "default", name: name))))
        }
        #expect(state.slices(of: api).map(\.name.name) == ["api-1", "api-2", "api-3"])
    }

    @Test("sharing where endpoints run changes none of them, however many nodes come and go")
    func placements() {
        var state = ClusterState()
        for round in 0..<3000 {
            let endpoint = Endpoint.ready("10.0.0.1", on: "node-\(round)", zone: "a", zoneHints: ["z\(round)"])
            _ = state.apply(.slice(.make(endpoint)))
            #expect(state.slices(of: api).flatMap(\.endpoints) == [endpoint])
        }
    }
}

@Suite("complete lists")
struct CompleteListTests {
    private func name(_ text: String) -> ObjectName { ObjectName(namespace: "default", name: text) }

    private func state() -> ClusterState {
        var state = ClusterState()
        var slice = EndpointSlice(name: name("web-1"), serviceName: "web", addressType: .ipv4)
        slice.ports = []
        _ = state.apply([.service(Service(name: name("web"))), .slice(slice), .node(Node(name: "here"))])
        return state
    }

    @Test("what a list does not name ends, and nothing else")
    func endings() {
        let known = state()
        #expect(known.endings(missingFrom: known.events) == [])
        #expect(
            Set(known.endings(missingFrom: [.node(Node(name: "here")), .service(Service(name: name("new")))]))
                == [.serviceGone(name("web")), .sliceGone(name("web-1"))])
        #expect(ClusterState().endings(missingFrom: known.events) == [])
    }

    @Test("the events of a state make the same state")
    func events() {
        var copy = ClusterState()
        _ = copy.apply(state().events.reversed())
        #expect(Set(copy.events) == Set(state().events))
        #expect(copy.events.count == 3)
    }
}
