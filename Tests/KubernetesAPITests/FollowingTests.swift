import KubernetesAPI
import KubernetesObjects
import ServiceModel
import LabAPIServer
import Testing

@Suite("following a cluster over TLS", .timeLimit(.minutes(1)))
struct FollowingTests {
    @Test("the first batch is the complete list, and each change is one more")
    func listAndWatch() async throws {
        try await World.with { world in
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                let first = following.current
                #expect(first.batches.count == 1)
                #expect(first.batches[0].isInitial)
                try expectEqual(following, world.store)

                world.store.put(ClusterObjects.service("new", ip: "10.96.1.1"))
                world.store.put(ClusterObjects.slice("new-a", of: "new", addresses: ["10.2.0.1"]))
                world.store.delete("services", "default", "web-3")
                try await following.untilEqual(to: world.store)
                let gone = ClusterEvent.serviceGone(ObjectName(namespace: "default", name: "web-3"))
                #expect(following.current.gone == [gone])
                #expect(following.current.batches.dropFirst().allSatisfy { !$0.isInitial })
            }
        }
    }

    @Test("requests are counted by code, method and host, and one without an answer, too")
    func countsRequests() async throws {
        try await World.with { world in
            world.server.inject(.status(500, reason: "InternalError"), into: .init(.list, "services"))
            world.server.inject(.close, into: .init(.list, "endpointslices"))
            try await Following.with(world.connection) { following in
                #expect(!following.source.statistics.isUp)
                await world.untilWatched(by: following)
                // The server has begun its answer; the client reads it in a moment.
                while !following.source.statistics.isUp { try await Task.sleep(for: .milliseconds(5)) }
                let host = try #require(world.server.url.split(separator: "/").last)
                func count(_ code: String) -> UInt64? {
                    following.requests.all[.init(code: code, method: "GET", host: String(host))]
                }
                // Two lists and two watches at least.
                #expect(count("200") ?? 0 >= 4)
                #expect(count("500") == 1)
                #expect(count("<error>") == 1)
                #expect(following.requests.all.count == 3)
            }
        }
    }
}
