import KubernetesAPI
import KubernetesObjects
import ServiceModel
import LabAPIServer
import Testing

/// Each fault meets a source that follows, and then everything changes a little: what is told must end up equal to what the
/// server holds, and nothing that was there all the time may have been said to be gone.
@Suite("a cluster that errs", .timeLimit(.minutes(1)))
struct FaultTests {
    /// Objects that are changed after the fault, and the two that go.
    private static func change(_ store: ObjectStore) {
        store.put(
            ClusterObjects.service("new", ip: "10.96.1.1"),
            ClusterObjects.slice("new-a", of: "new", addresses: ["10.2.0.1", "10.2.0.2"]),
            ClusterObjects.slice("web-1-a", of: "web-1", addresses: ["10.1.1.1", "10.1.1.9"]))
        store.delete("services", "default", "web-5")
        store.delete("endpointslices", "default", "web-5-a")
    }

    private static let gone: Set<ClusterEvent> = [
        .serviceGone(ObjectName(namespace: "default", name: "web-5")),
        .sliceGone(ObjectName(namespace: "default", name: "web-5-a")),
    ]

    private func expectRightState(_ following: Following, _ world: World) async throws {
        try await following.untilEqual(to: world.store)
        #expect(Set(following.current.gone) == Self.gone)
        #expect(following.current.gone.count == Self.gone.count)
        #expect(following.current.batches.count(where: \.isInitial) == 1)
    }

    enum Resource: String, CaseIterable { case services, endpointslices }

    static let watchFaults: [(String, [Fault])] = [
        ("a chunk a byte", [.pieces([1])]),
        ("chunks of odd sizes", [.pieces([7, 1, 300, 2, 64])]),
        ("several events in one chunk", [.merged(2)]),
        ("several events in chunks that cut them", [.merged(2), .pieces([100, 3])]),
        ("410 before the watch", [.status(410, reason: "Expired", message: "too old resource version")]),
        ("410 inside the watch", [.breaks(after: 0, .error(410, reason: "Expired"))]),
        ("410 after an event", [.breaks(after: 1, .error(410, reason: "Gone"))]),
        ("500 inside the watch", [.breaks(after: 1, .error(500, reason: "InternalError", message: "etcd"))]),
        ("500", [.status(500, reason: "InternalError")]),
        ("503 with a body that is no status", [.body(503, "<html>sorry</html>")]),
        ("429", [.status(429, reason: "TooManyRequests", retryAfter: 3)]),
        ("401", [.status(401, reason: "Unauthorized")]),
        ("401 again and again", Array(repeating: .status(401, reason: "Unauthorized"), count: 3)),
        ("403", [.status(403, reason: "Forbidden")]),
        ("a watch that stalls", [.breaks(after: 0, .stall)]),
        ("a watch that stalls after an event", [.breaks(after: 1, .stall)]),
        ("an answer that never begins", [.stall]),
        ("a connection closed before the answer", [.close]),
        ("a connection closed after an event", [.breaks(after: 1, .close)]),
        ("half an event", [.breaks(after: 1, .half)]),
        ("a watch that ends at once", [.breaks(after: 0, .end)]),
        ("a watch that ends after an event", [.breaks(after: 1, .end)]),
        ("garbage", [.breaks(after: 0, .garbage("\u{0}\u{1}{{{ no json"))]),
        ("garbage after an event", [.breaks(after: 1, .garbage("{\"type\":\"ADDED\"}"))]),
        ("an unknown type of event", [.breaks(after: 0, .garbage("{\"type\":\"RENAMED\",\"object\":{}}"))]),
    ]

    @Test("a watch survives", arguments: FaultTests.watchFaults, Resource.allCases)
    func watch(fault: (name: String, faults: [Fault]), resource: Resource) async throws {
        try await World.with { world in
            try await Following.with(world.connection, timeouts: .short) { following in
                await world.untilWatched(by: following)
                // The watch that runs is ended, so that the next one meets the fault.
                for fault in fault.faults { world.server.inject(fault, into: .init(.watch, resource.rawValue)) }
                await world.server.dropConnections()
                await world.server.until { $0.plannedFaults < fault.faults.count || fault.faults.isEmpty }
                Self.change(world.store)
                try await expectRightState(following, world)
            }
        }
    }

    static let listFaults: [(String, [Fault])] = [
        ("a chunk a byte", [.pieces([1])]),
        ("chunks of odd sizes", [.pieces([7, 1, 300, 2, 64])]),
        ("the opposite order", [.reversed]),
        ("410 for a page", [.status(410, reason: "Expired")]),
        ("500", [.status(500, reason: "InternalError")]),
        ("429", [.status(429, reason: "TooManyRequests", retryAfter: 2)]),
        ("401", [.status(401, reason: "Unauthorized")]),
        ("403", [.status(403, reason: "Forbidden")]),
        ("a closed connection", [.close]),
        ("garbage", [.body(200, "][")]),
        ("something else than a list", [.body(200, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[]}")]),
        ("nothing", [.body(200, "")]),
        (
            "the first half of a list",
            [.body(200, "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"items\":[{\"meta")]
        ),
    ]

    @Test("the first list survives", arguments: FaultTests.listFaults, Resource.allCases)
    func firstList(fault: (name: String, faults: [Fault]), resource: Resource) async throws {
        try await World.with { world in
            for fault in fault.faults { world.server.inject(fault, into: .init(.list, resource.rawValue)) }
            try await Following.with(world.connection, timeouts: .short) { following in
                await world.untilWatched(by: following)
                Self.change(world.store)
                try await expectRightState(following, world)
            }
        }
    }

    @Test("a list that is made anew survives", arguments: FaultTests.listFaults, Resource.allCases)
    func relist(fault: (name: String, faults: [Fault]), resource: Resource) async throws {
        try await World.with { world in
            try await Following.with(world.connection, timeouts: .short) { following in
                await world.untilWatched(by: following)
                for fault in fault.faults { world.server.inject(fault, into: .init(.list, resource.rawValue)) }
                await world.server.stop()
                Self.change(world.store)
                world.store.compact()
                try await world.server.start()
                try await expectRightState(following, world)
            }
        }
    }
}

extension Timeouts {
    /// For faults that are found out by waiting. The server's time, and that of connections, is real; ours is faster.
    static var short: Timeouts {
        var timeouts = Timeouts.patient
        timeouts.answer = .seconds(2)
        timeouts.watch = .seconds(1)
        timeouts.watchGrace = .seconds(20)
        timeouts.refusal = .seconds(1)
        return timeouts
    }
}
