import KubernetesObjects
import ServiceModel
import LabAPIServer
import Testing

@testable import KubernetesAPI

@Suite("several API servers, or none", .timeLimit(.minutes(1)))
struct FailOverTests {
    @Test("the next one takes over, and keeps its place while it works")
    func failOver() async throws {
        try await World.with { first in
            var options = LabAPIServer.Options(
                certificate: try first.certificates.make("second", serial: 2, names: ["IP:127.0.0.1"]))
            options.refusesFutureVersions = true
            try await LabAPIServer.with(options, store: first.store) { second in
                let connection = first.connection.with(
                    addresses: first.connection.addresses + [try APIAddress(second.url)])
                try await Following.with(connection) { following in
                    await first.untilWatched(by: following)
                    #expect(second.observation.requests.isEmpty)

                    await first.server.stop()
                    await second.until { $0.watches.values.reduce(0, +) == 2 }
                    first.store.put(ClusterObjects.service("new", ip: "10.96.1.1"))
                    try await following.untilEqual(to: first.store)
                    // It went on where it was: no list.
                    #expect(second.observation.requests.allSatisfy { $0.verb == .watch })

                    let before = first.server.observation.requests.count
                    try await first.server.start()
                    await second.dropConnections()
                    await second.until { $0.requests.count == 4 && $0.watches.values.reduce(0, +) == 2 }
                    #expect(first.server.observation.requests.count == before)

                    await second.stop()
                    await first.server.until { $0.requests.count >= before + 2 }
                    first.store.delete("services", "default", "new")
                    try await following.untilEqual(to: first.store)
                    #expect(following.current.gone.count == 1)
                }
            }
        }
    }

    @Test("while nobody answers nothing is told, and afterwards it goes on")
    func away() async throws {
        try await World.with { world in
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                await world.server.stop()
                world.store.put(ClusterObjects.service("new", ip: "10.96.1.1"))
                world.store.delete("services", "default", "web-1")
                while following.source.statistics.resources["services"]?.restarts[.unreachable] ?? 0 < 3 {
                    await Task.yield()
                }
                #expect(following.current.batches.count == 1)
                #expect(!following.source.statistics.isConnected)
                #expect(following.source.statistics.resources["services"]?.lostSince != nil)
                let error = try #require(following.source.statistics.resources["services"]?.lastError)
                #expect(error.hasPrefix("cannot watch services \(world.server.url): "))
                #expect(error.hasSuffix("what is programmed stays in force"))

                try await world.server.start()
                try await following.untilEqual(to: world.store)
                #expect(following.source.statistics.resources["services"]?.lostSince == nil)
                #expect(following.current.gone.count == 1)
                #expect(world.server.observation.requests.count(where: { $0.verb == .list }) == 2)
            }
        }
    }

    @Test("a watch whose event comes in drips is left for another server's")
    func drips() async throws {
        var timeouts = Timeouts.patient
        timeouts.portion = .seconds(5)
        try await World.with { first in
            let options = LabAPIServer.Options(
                certificate: try first.certificates.make("second", serial: 2, names: ["IP:127.0.0.1"]))
            first.server.inject(.drips(.milliseconds(20)), into: .init(.watch, "services"), times: 100)
            try await LabAPIServer.with(options, store: first.store) { [timeouts] second in
                let connection = first.connection.with(
                    addresses: first.connection.addresses + [try APIAddress(second.url)])
                try await Following.with(connection, timeouts: timeouts) { following in
                    await first.untilWatched(by: following)
                    first.store.put(ClusterObjects.service("new", ip: "10.96.1.1", padding: 10_000))
                    try await following.untilEqual(to: first.store)
                    #expect(following.source.statistics.resources["services"]?.restarts[.interrupted] ?? 0 > 0)
                    #expect(second.observation.requests.contains { $0.verb == .watch })
                }
            }
        }
    }

    @Test("a line must come on by 4 KiB, or end, in each portion of time")
    func speed() {
        var speed = LineSpeed(portion: .seconds(10))
        let pieces: [(bytes: Int, second: Int, isDrip: Bool)] = [
            (0, 0, false), (1, 100, false), (2, 109, false), (4097, 110, false), (4098, 120, false), (4099, 121, true),
            (0, 122, false), (1, 150, false), (2, 161, true),
        ]
        for piece in pieces {
            let isDrip = speed.isDrip(piece.bytes, at: .seconds(piece.second))
            #expect(isDrip == piece.isDrip, "\(piece)")
        }
        speed.beginLine()
        let isDrip = speed.isDrip(3, at: .seconds(162))
        #expect(!isDrip, "of the next line")
    }

    static let sicknesses: [(String, Fault)] = [
        ("a refusal whose body stalls", .stalledBody(503)), ("a list whose body stalls", .stalledBody(200)),
        ("a list that comes in drips", .drips(.milliseconds(50))), ("HTML", .body(200, "<html>sign in</html>")),
        ("nobody is known", .status(401, reason: "Unauthorized")), ("no answer", .stall),
        ("come back in an hour", .status(503, reason: "ServiceUnavailable", retryAfter: 3600)),
        ("too much to do for an hour", .status(429, reason: "TooManyRequests", retryAfter: 3600)),
        ("a proxy's 400", .body(400, "<html>")), ("a proxy's 403", .body(403, "<html>")),
        ("nothing but Gone", .status(410, reason: "Expired")), ("elsewhere", .body(302, "")),
        ("nothing known by this name", .body(404, "404 page not found")),
    ]

    @Test("one that is sick is left for the next one within seconds", arguments: FailOverTests.sicknesses)
    func sick(fault: (name: String, fault: Fault)) async throws {
        try await World.with { first in
            let options = LabAPIServer.Options(
                certificate: try first.certificates.make("second", serial: 2, names: ["IP:127.0.0.1"]))
            for resource in ["services", "endpointslices"] {
                first.server.inject(fault.fault, into: .init(.list, resource), times: 1000)
            }
            try await LabAPIServer.with(options, store: first.store) { second in
                let connection = first.connection.with(
                    addresses: first.connection.addresses + [try APIAddress(second.url)])
                // As in earnest, but for what a busy machine may need for the second one.
                var timeouts = Timeouts()
                timeouts.answerBesideOthers = .seconds(20)
                timeouts.portion = .seconds(20)
                try await Following.with(connection, timeouts: timeouts) { following in
                    try await following.untilEqual(to: first.store)
                    // Nobody waits for long, and nobody asks the first one again and again.
                    #expect(following.time.sleeps.allSatisfy { $0 <= .seconds(30) })
                    #expect(first.server.observation.requests.count <= 12)
                    #expect(second.observation.requests.contains { $0.verb == .list })
                }
            }
        }
    }

    @Test(
        "one whose list does not end is left for the next one",
        arguments: [
            (Fault.endless, 300, "the list goes on without new objects"),
            (.drips(.milliseconds(1)), 5, "the list does not end"),
        ])
    func endless(fault: Fault, seconds: Int, cause: String) async throws {
        try await World.with { first in
            let options = LabAPIServer.Options(
                certificate: try first.certificates.make("second", serial: 2, names: ["IP:127.0.0.1"]))
            first.server.inject(fault, into: .init(.list, "services"), times: 100)
            first.server.inject(fault, into: .init(.page, "services"), times: 5_000)
            try await LabAPIServer.with(options, store: first.store) { second in
                let connection = first.connection.with(
                    addresses: first.connection.addresses + [try APIAddress(second.url)])
                var timeouts = Timeouts()
                timeouts.list = .seconds(seconds)
                try await Following.with(connection, timeouts: timeouts) { following in
                    try await following.untilEqual(to: first.store)
                    #expect(second.observation.requests.contains { $0.verb == .list && $0.resource == "services" })
                    let error = try #require(following.source.statistics.resources["services"]?.lastError)
                    #expect(error.contains("\(cause); check that it is a Kubernetes API server"), "\(error)")
                }
            }
        }
    }

    @Test("one that forbids what the next one allows is left for it, after a while")
    func forbidden() async throws {
        try await World.with { first in
            let options = LabAPIServer.Options(
                certificate: try first.certificates.make("second", serial: 2, names: ["IP:127.0.0.1"]))
            first.server.inject(.status(403, reason: "Forbidden"), into: .init(.list, "endpointslices"), times: 1000)
            try await LabAPIServer.with(options, store: first.store) { second in
                let connection = first.connection.with(
                    addresses: first.connection.addresses + [try APIAddress(second.url)])
                try await Following.with(connection) { following in
                    try await following.untilEqual(to: first.store)
                    #expect(following.time.sleeps.contains { $0 >= .seconds(15) })
                }
            }
        }
    }

    @Test("one whose refusal stalls is asked again where there is no other")
    func stalledRefusal() async throws {
        try await World.with { world in
            for resource in ["services", "endpointslices"] {
                world.server.inject(.stalledBody(503), into: .init(.list, resource))
            }
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                #expect(world.server.observation.requests.count(where: { $0.verb == .list }) >= 4)
            }
        }
    }

    @Test("Retry-After is obeyed within bounds", arguments: [(17, 17), (3600, 30)])
    func retryAfterIsBounded(asked: Int, waited: Int) async throws {
        try await World.with { world in
            world.server.inject(
                .status(503, reason: "ServiceUnavailable", retryAfter: asked), into: .init(.list, "services"))
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                #expect(following.time.sleeps.contains(.seconds(waited)))
            }
        }
    }

    @Test("Retry-After of a busy API server is obeyed")
    func retryAfter() async throws {
        try await World.with { world in
            world.server.inject(.status(429, reason: "TooManyRequests", retryAfter: 17), into: .init(.list, "services"))
            try await Following.with(world.connection) { following in
                await world.untilWatched(by: following)
                #expect(following.time.sleeps.contains(.seconds(17)))
            }
        }
    }

    @Test("each failure waits longer than the one before, up to half a minute, and by chance for less")
    func backoff() {
        var backoff = Backoff()
        let ceilings = (0..<10).map { _ in backoff.next { 1 } }
        #expect(
            ceilings.prefix(4) == [.milliseconds(200), .milliseconds(400), .milliseconds(800), .milliseconds(1600)])
        #expect(ceilings.last == .seconds(30))
        #expect(backoff.next { 0 } == .zero)
        backoff.reset()
        #expect(backoff.next { 0.5 } == .milliseconds(100))
    }

    @Test("one that breaks is not the first to be asked again, even if nobody asks for a while")
    func moveOn() {
        let book = AddressBook(count: 3)
        for (index, second) in [(0, 1), (1, 11), (2, 21)] {
            #expect(book.choose(at: .seconds(second)) == .init(index: index, wait: .zero))
            // The head of its answer was good.
            book.worked(index)
            book.broke(index, startedAt: .seconds(second), at: .seconds(second + 5)) { 1 }
        }
        #expect(book.choose(at: .seconds(31)) == .init(index: 0, wait: .zero))
    }

    @Test("of several requests that one break fails only the first counts")
    func oneBreak() {
        let book = AddressBook(count: 2)
        book.broke(0, startedAt: .seconds(1), at: .seconds(2)) { 1 }
        book.broke(0, startedAt: .seconds(1), at: .seconds(2)) { 1 }
        #expect(book.choose(at: .seconds(2)) == .init(index: 1, wait: .zero))
        book.broke(1, startedAt: .seconds(2), at: .seconds(2)) { 1 }
        // The first one rests for 200 ms, and not for 400.
        #expect(book.choose(at: .seconds(2)).wait == .milliseconds(200))
        #expect(book.choose(at: .milliseconds(2200)).wait == .zero)
    }
}
