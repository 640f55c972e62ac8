import BPFLoader
import CDatapath
import Glibc
import Testing

extension KernelTests {
    @Suite("A decision with ClientIP affinity (spec 34)")
    struct AffinityTests {
        /// A service with this id has affinity and three backends: 1, 2 and 3.
        private let serviceID: UInt32 = 6
        private let timeout: UInt32 = 60

        private func datapath(_ family: Family, policy: lb_policy = CLUSTER) throws -> Datapath {
            let datapath = try Datapath.forDecisions()
            try datapath.put(family, Backend.several(3, of: serviceID))
            try datapath.put(
                Frontend(family: family), service(id: serviceID, count: 3, affinity: timeout, policy: policy))
            return datapath
        }

        @Test("the first choice is uniform and stays", arguments: Family.allCases)
        func sticks(family: Family) throws {
            let datapath = try datapath(family)
            let frontend = Frontend(family: family)
            let backends = Backend.several(3, of: serviceID)
            #expect(try datapath.decide(frontend, random: .max) == .forward(family, backends[2]))
            for random: UInt32 in [0, .max / 2, .max] {
                let next = try datapath.decide(frontend, random: random)
                #expect(next == .forward(family, backends[2], COUNT_FORWARD_AFFINITY))
            }
        }

        @Test("network namespaces are clients of their own", arguments: Family.allCases)
        func separatesClients(family: Family) throws {
            let datapath = try datapath(family)
            let frontend = Frontend(family: family)
            #expect(try datapath.decide(frontend, random: .max, client: 7).backend == 3)
            #expect(try datapath.decide(frontend, random: 0, client: 8).backend == 1)
            #expect(try datapath.decide(frontend, random: 0, client: 7).backend == 3)
            #expect(try datapath.decide(frontend, random: .max, client: 8).backend == 1)
        }

        @Test("service ports are apart, frontends of one service port share", arguments: Family.allCases)
        func isSharedByFrontends(family: Family) throws {
            let datapath = try datapath(family)
            try datapath.put(family, Backend.several(3, of: 77, firstID: 11), from: 20)
            let other = Frontend(family: family, vip: 11)
            let second = Frontend(family: family, vip: 12, port: 8443)
            try datapath.put(other, service(id: 77, first: 20, count: 3, affinity: timeout))
            try datapath.put(second, service(id: serviceID, count: 3, affinity: timeout, kind: EXTERNAL_IP))

            #expect(try datapath.decide(Frontend(family: family), random: .max).backend == 3)
            #expect(try datapath.decide(other, random: 0).backend == 11)
            #expect(try datapath.decide(second, random: 0).backend == 3)
        }

        @Test("each use is remembered", arguments: Family.allCases)
        func refreshes(family: Family) throws {
            let datapath = try datapath(family)
            let frontend = Frontend(family: family)
            let before = now()
            _ = try datapath.decide(frontend)
            let first = try datapath.remembered(service: serviceID)
            #expect((before...now()).contains(try #require(first).last_use))

            // Almost over: half the time-out passed twice would be too long without the refresh.
            try datapath.remember(1, lastUse: now() - UInt64(timeout - 5) * 1_000_000_000, service: serviceID)
            let used = now()
            #expect(try datapath.decide(frontend, random: .max).reason == COUNT_FORWARD_AFFINITY)
            let second = try datapath.remembered(service: serviceID)
            #expect((used...now()).contains(try #require(second).last_use))
        }

        @Test("after the time-out the choice is free", arguments: Family.allCases)
        func timesOut(family: Family) throws {
            let datapath = try datapath(family)
            let frontend = Frontend(family: family)
            try datapath.remember(1, lastUse: now() - UInt64(timeout) * 1_000_000_000, service: serviceID)
            #expect(try datapath.decide(frontend, random: .max) == free(family))
            #expect(try datapath.decide(frontend, random: 0).backend == 3, "the new choice stays")
        }

        @Test("a use that another CPU noted a moment later counts", arguments: Family.allCases)
        func toleratesLaterUse(family: Family) throws {
            let datapath = try datapath(family)
            try datapath.remember(1, lastUse: now() + 1_000_000_000, service: serviceID)
            #expect(try datapath.decide(Frontend(family: family), random: .max).reason == COUNT_FORWARD_AFFINITY)
        }

        @Test("a backend that is gone or another service's is not used", arguments: Family.allCases)
        func leavesForeignBackend(family: Family) throws {
            let datapath = try datapath(family)
            let frontend = Frontend(family: family)
            try datapath.put(family, Backend(id: 50, service: 77, number: 50))
            for backend: UInt32 in [49, 50] {
                try datapath.remember(backend, lastUse: now(), service: serviceID)
                #expect(try datapath.decide(frontend, random: .max) == free(family))
                #expect(try datapath.remembered(service: serviceID)?.backend_id == 3)
            }
        }

        /// An entry of a full map becomes another client's while it is looked at.
        @Test("what another client's entry remembers is not used", arguments: Family.allCases)
        func leavesReusedEntry(family: Family) throws {
            let datapath = try datapath(family)
            try datapath.remember(1, lastUse: now(), service: serviceID, isOthers: true)
            #expect(try datapath.decide(Frontend(family: family), random: .max) == free(family))
            #expect(try datapath.decide(Frontend(family: family), random: 0).backend == 3, "the new choice stays")
        }

        @Test(
            "a backend outside the policy's set is not used", arguments: Family.allCases,
            [(CLUSTER, false, true), (LOCAL, true, false)])
        func leavesOtherSet(family: Family, sets: (policy: lb_policy, cluster: Bool, local: Bool)) throws {
            let datapath = try datapath(family, policy: sets.policy)
            let frontend = Frontend(family: family)
            let outside = Backend(
                id: 1, service: serviceID, number: 1, port: 8001, inCluster: sets.cluster, inLocal: sets.local)
            try datapath.put(family, outside)
            try datapath.remember(1, lastUse: now(), service: serviceID)
            #expect(try datapath.decide(frontend, random: .max) == free(family))

            let inside = Backend(
                id: 1, service: serviceID, number: 1, port: 8001, inCluster: !sets.cluster, inLocal: !sets.local)
            try datapath.put(family, inside)
            try datapath.remember(1, lastUse: now(), service: serviceID)
            #expect(try datapath.decide(frontend, random: .max) == .forward(family, inside, COUNT_FORWARD_AFFINITY))
        }

        @Test("without affinity the table is neither read nor written (spec 35)", arguments: Family.allCases)
        func isIgnoredWhenOff(family: Family) throws {
            let datapath = try datapath(family)
            let frontend = Frontend(family: family)
            try datapath.put(frontend, service(id: serviceID, count: 3))
            #expect(try datapath.decide(frontend, random: .max).backend == 3)
            #expect(try datapath.remembered(service: serviceID) == nil)
            try datapath.remember(1, lastUse: now(), service: serviceID)
            #expect(try datapath.decide(frontend, random: .max) == free(family))
            #expect(try datapath.remembered(service: serviceID)?.backend_id == 1)
        }

        /// The backend that the greatest random number gives.
        private func free(_ family: Family) -> Decision { .forward(family, Backend.several(3, of: serviceID)[2]) }
    }
}

extension Datapath {
    private func client(_ service: UInt32) -> affinity_key {
        var key = affinity_key()
        (key.netns_cookie, key.service_id) = (7, service)
        return key
    }

    /// What is remembered of the client that tests are unless they say otherwise.
    fileprivate func remembered(service: UInt32) throws -> affinity? {
        try map("affinity").lookup(client(service))
    }

    /// - Parameter isOthers: the entry is another client's by now, as when the kernel reuses it.
    fileprivate func remember(
        _ backend: UInt32, lastUse: UInt64, service: UInt32, isOthers: Bool = false
    ) throws {
        var key = client(service)
        let seal = lb_affinity_seal(&key) &+ (isOthers ? 1 : 0)
        try map("affinity").update(key, to: affinity(last_use: lastUse, backend_id: backend, seal: seal))
    }
}

/// CLOCK_MONOTONIC in nanoseconds, as the datapath reads it.
private func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
