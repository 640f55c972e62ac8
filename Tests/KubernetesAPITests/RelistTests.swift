import KubernetesAPI
import KubernetesObjects
import ServiceModel
import LabAPIServer
import Testing

@Suite("listing anew", .timeLimit(.minutes(1)))
struct RelistTests {
    private static func many(_ count: Int) -> [JSON] {
        (0..<count).map { ClusterObjects.service("web-\($0)", ip: "10.97.\($0 / 250).\($0 % 250 + 1)") }
    }

    private func requests(_ world: World, _ verb: RequestPattern.Verb, _ resource: String) -> [RecordedRequest] {
        world.server.observation.requests.filter { $0.verb == verb && $0.resource == resource }
    }

    @Test("a large list that is not in the API server's memory comes in pages of 500")
    func pages() async throws {
        try await World.with(objects: Self.many(1200)) {
            $0.listsFromCache = false
        } _: { world in
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                #expect(following.current.services.count == 1200)
                #expect(following.current.batches.count == 1)
                #expect(requests(world, .list, "services").map { $0.query["limit"] } == ["500"])
                #expect(requests(world, .page, "services").count == 2)
            }
        }
    }

    @Test("a list whose pages expire begins anew, with larger ones, and tells nothing before it is complete")
    func expiredPage() async throws {
        try await World.with(objects: Self.many(1200)) {
            $0.listsFromCache = false
        } _: { world in
            world.server.inject(.status(410, reason: "Expired"), into: .init(.page, "services"))
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                let lists = requests(world, .list, "services")
                #expect(lists.map { $0.query["limit"] } == ["500", "1000"])
                #expect(lists.map { $0.query["resourceVersion"] } == ["0", nil])
                #expect(following.current.batches.count == 1)
                #expect(following.current.services.count == 1200)
            }
        }
    }

    @Test(
        "lists come from the API server's memory, not older than what is known, and from etcd only if that is refused")
    func fromCache() async throws {
        try await World.with(objects: Self.many(1200)) { world in
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                let version = world.store.version
                #expect(requests(world, .list, "services").map { $0.query["resourceVersion"] } == ["0"])
                await world.server.stop()
                world.store.put(ClusterObjects.service("web-7", ip: "10.98.0.1"))
                world.store.delete("services", "default", "web-8")
                world.store.compact()
                world.server.inject(.status(410, reason: "Expired"), into: .init(.list, "endpointslices"))
                try await world.server.start()
                try await following.untilEqual(to: world.store)
                await world.server.until { $0.watches.values.reduce(0, +) == 2 }

                let services = requests(world, .list, "services")
                #expect(services.map { $0.query["resourceVersion"] } == ["0", "\(version)"])
                #expect(services.map { $0.query["limit"] } == ["500", nil])
                #expect(requests(world, .page, "services").isEmpty)
                let slices = requests(world, .list, "endpointslices")
                #expect(slices.map { $0.query["resourceVersion"] } == ["0", "\(version)", nil])
                // One batch for the first list, and one for the two objects that differ.
                #expect(following.current.batches.map(\.events.count) == [1200, 2])
            }
        }
    }

    @Test("what has not changed is not told again")
    func unchanged() async throws {
        try await World.with { world in
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                await world.server.stop()
                world.store.compact()
                try await world.server.start()
                await world.server.until {
                    $0.requests.count(where: { $0.verb == .list }) == 4 && $0.watches.count == 2
                }
                world.store.put(ClusterObjects.service("new", ip: "10.96.1.1"))
                try await following.untilEqual(to: world.store)
                #expect(following.current.batches.map(\.events.count) == [15, 1])
            }
        }
    }

    @Test("an API server that has gone back in time is believed, once", arguments: [true, false])
    func restoredBackup(refuses: Bool) async throws {
        try await World.with {
            $0.refusesFutureVersions = refuses
        } _: { world in
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                await world.server.stop()
                // The same version stands for something else now.
                var old = Array(World.objects.dropLast(3))
                old[0] = ClusterObjects.service("web-1", ip: "10.96.0.99")
                world.store.restore(version: 110, old)
                try await world.server.start()
                if !refuses {
                    // It says nothing before it has caught up with us, but for bookmarks.
                    await world.server.until { $0.watches.values.reduce(0, +) == 2 }
                    world.store.sendBookmarks()
                }
                try await following.untilEqual(to: world.store)
                let gone = Set(following.current.gone.map(\.description))
                #expect(gone == ["service default/web-5", "slice default/web-5-a", "slice default/web-5-b"])

                world.store.put(ClusterObjects.service("new", ip: "10.96.1.1"))
                try await following.untilEqual(to: world.store)
                #expect(requests(world, .list, "services").count == 2)
                #expect(requests(world, .list, "endpointslices").count == 2)
            }
        }
    }

    @Test("a watch goes on where the last bookmark was")
    func bookmark() async throws {
        try await World.with { world in
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                world.store.put(ClusterObjects.node("elsewhere", address: "10.0.0.1"))
                world.store.sendBookmarks()
                while following.source.statistics.resources.values.map(\.bookmarks).reduce(0, +) < 2 {
                    await Task.yield()
                }
                let version = world.store.version
                await world.server.dropConnections()
                await world.server.until { $0.requests.count(where: { $0.verb == .watch }) >= 4 }
                let last = world.server.observation.requests.filter { $0.verb == .watch }.suffix(2)
                #expect(last.map { $0.query["resourceVersion"] } == ["\(version)", "\(version)"])
                #expect(world.server.observation.requests.count(where: { $0.verb == .list }) == 2)
            }
        }
    }

    @Test(
        "a watch that says nothing is not believed for long, whether bookmarks come or not", arguments: [true, false])
    func silence(withBookmarks: Bool) async throws {
        var timeouts = Timeouts.patient
        timeouts.bookmarks = .seconds(5)
        try await World.with { world in
            world.server.inject(.breaks(after: withBookmarks ? 1 : 0, .stall), into: .init(.watch, "services"))
            try await Following.with(world.connection, timeouts: timeouts) { following in
                await world.untilWatched(by: following)
                if withBookmarks { world.store.sendBookmarks() }
                await world.server.until { $0.requests.count(where: { $0.verb == .watch }) >= 3 }
                world.store.put(ClusterObjects.service("new", ip: "10.96.1.1"))
                try await following.untilEqual(to: world.store)
                #expect(following.source.statistics.resources["services"]?.restarts[.silent] ?? 0 > 0)
                #expect(world.server.observation.requests.count(where: { $0.verb == .list }) == 2)
            }
        }
    }

    @Test("what arrives together is told together, and what is larger than a chunk as one")
    func chunks() async throws {
        try await World.with { world in
            world.server.inject(.merged(3), into: .init(.watch, "services"))
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                world.store.put(
                    ClusterObjects.service("a", ip: "10.96.1.1", padding: 100_000),
                    ClusterObjects.service("b", ip: "10.96.1.2"), ClusterObjects.service("c", ip: "10.96.1.3"))
                try await following.untilEqual(to: world.store)
                let events = following.current.batches.dropFirst().map(\.events.count)
                // TLS and HTTP may cut the piece, but never does an event for itself come late.
                #expect(events.reduce(0, +) == 3)
            }
        }
    }
}

extension ClusterEvent {
    var description: String {
        switch self {
        case .service(let service): "service \(service.name)"
        case .slice(let slice): "slice \(slice.name)"
        case .node(let node): "node \(node.name)"
        case .serviceGone(let name): "service \(name)"
        case .sliceGone(let name): "slice \(name)"
        case .nodeGone(let name): "node \(name)"
        }
    }
}
