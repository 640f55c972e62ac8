import KubernetesAPI
import KubernetesObjects
import ServiceModel
import LabAPIServer
import Testing

@Suite("what is asked for", .timeLimit(.minutes(1)))
struct SelectionTests {
    private static let proxyName = "service.kubernetes.io/service-proxy-name"

    private static var mixed: [JSON] {
        [
            ClusterObjects.service("own", ip: "10.96.0.1"),
            ClusterObjects.service("headless", ip: "None"),
            ClusterObjects.service("foreign", ip: "10.96.0.2", labels: [proxyName: "other"]),
            ClusterObjects.service("custom", ip: "10.96.0.3", labels: [proxyName: "swiftlet"]),
            ClusterObjects.service("marked", ip: "10.96.0.4", labels: ["service.kubernetes.io/headless": ""]),
            ClusterObjects.slice("own-a", of: "own", addresses: ["10.1.0.1"]),
        ]
    }

    @Test("what is not ours stays on the API server", arguments: [nil, "swiftlet"])
    func services(proxyName: String?) async throws {
        try await World.with(objects: Self.mixed) { world in
            try await Following.with(world.connection, proxyName: proxyName) { following in
                await world.untilWatched(by: following)
                let wanted = proxyName == nil ? "own" : "custom"
                #expect(following.current.services.keys.map(\.name) == [wanted])
                #expect(following.current.slices.count == 1)
            }
        }
    }

    @Test("where names are wanted all Services and slices come, another proxy's and headless ones, too")
    func named() async throws {
        let headless = ClusterObjects.slice("headless-a", of: "headless", addresses: ["10.1.0.2"])
        try await World.with(objects: Self.mixed + [headless]) { world in
            try await Following.with(world.connection, scope: .named) { following in
                await world.untilWatched(by: following)
                #expect(following.current.services.count == 5)
                #expect(following.current.slices.count == 2)
            }
        }
    }

    @Test("a Service that becomes somebody else's is gone")
    func leaves() async throws {
        try await World.with(objects: Self.mixed) { world in
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                world.store.put(ClusterObjects.service("own", ip: "10.96.0.1", labels: [Self.proxyName: "other"]))
                await following.until { $0.services.isEmpty }
                world.store.put(ClusterObjects.service("own", ip: "10.96.0.1"))
                await following.until { $0.services.count == 1 }
            }
        }
    }

    @Test("an API server that does not know the field selector is asked without it")
    func fallBack() async throws {
        try await World.with(objects: Self.mixed) {
            $0.knownFields = ["metadata.name"]
        } _: { world in
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                // The headless one comes, and the model leaves it out.
                #expect(Set(following.current.services.keys.map(\.name)) == ["own", "headless"])
                let fields = world.server.observation.requests.filter { $0.resource == "services" }.map {
                    $0.query["fieldSelector"]
                }
                #expect(fields == ["spec.clusterIP!=None", nil, nil])
            }
        }
    }

    @Test("the own node is followed, and no other")
    func node() async throws {
        let nodes = [
            ClusterObjects.node("mine", address: "10.0.0.1"), ClusterObjects.node("other", address: "10.0.0.2"),
        ]
        try await World.with(objects: Self.mixed + nodes) { world in
            try await Following.with(world.connection, nodeName: "mine") { following in
                await world.untilWatched(by: following, watches: 3)
                #expect(following.current.nodes.keys.sorted() == ["mine"])
                world.store.put(ClusterObjects.node("mine", address: "10.0.0.9"))
                await following.until { $0.nodes["mine"]?.addresses.map(\.description) == ["10.0.0.9"] }
                world.store.delete("nodes", "", "mine")
                await following.until { $0.nodes.isEmpty }
            }
        }
    }

    @Test("nothing is told before both lists and the node are there")
    func barrier() async throws {
        try await World.with { world in
            world.server.inject(.stall, into: .init(.list, "endpointslices"))
            var timeouts = Timeouts.patient
            timeouts.node = .seconds(3600)
            try await Following.with(world.connection, nodeName: "mine", timeouts: timeouts) { following in
                await world.server.until { $0.watches["services"] == 1 && $0.watches["nodes"] == 1 }
                #expect(following.current.batches.isEmpty)
                #expect(!following.source.statistics.isSynchronized)
                await world.server.dropConnections()
                await world.server.until { $0.watches["endpointslices"] == 1 }
                #expect(following.current.batches.isEmpty)
                world.store.put(ClusterObjects.node("mine", address: "10.0.0.1"))
                await following.until { !$0.batches.isEmpty }
                #expect(following.current.batches.map(\.isInitial) == [true])
                try expectEqual(following, world.store)
                #expect(following.current.nodes.count == 1)
            }
        }
    }

    @Test("a node that is not there is waited for, but not for ever")
    func absentNode() async throws {
        try await World.with { world in
            try await Following.with(world.connection, nodeName: "mine") { following in
                await world.untilWatched(by: following, watches: 3)
                #expect(following.time.now >= .seconds(30))
                #expect(following.current.nodes.isEmpty)
                try expectEqual(following, world.store)
            }
        }
    }

    @Test("an object that cannot be used is a problem until it can, and its last good version stays")
    func unusable() async throws {
        try await World.with { world in
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                world.store.put(ClusterObjects.service("web-1", ip: "not an address"))
                await following.until { !$0.problems.isEmpty }
                #expect(following.current.problems.first?.object == "Service default/web-1")
                let kept = try #require(following.current.services[ObjectName(namespace: "default", name: "web-1")])
                #expect(kept.clusterIPs.map(\.description) == ["10.96.0.1"])
                world.store.put(ClusterObjects.service("web-1", ip: "10.96.0.77"))
                try await following.untilEqual(to: world.store)
                #expect(following.current.problems.isEmpty)
            }
        }
    }
}
