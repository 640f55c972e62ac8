import Logging
import ServiceModel
import LabAPIServer
import Testing

@testable import KubernetesAPI

@Suite("Events", .timeLimit(.minutes(1)))
struct EventTests {
    private func warning(_ number: Int, note: String = "note") -> ServiceWarning {
        ServiceWarning(
            service: ObjectName(namespace: "shop", name: "web-\(number)"), reason: "PortConflict",
            action: "Programming",
            note: note)
    }

    @Test("a burst is written, then one in five seconds, and the same one not again for ten minutes")
    func limit() {
        var limiter = EventLimiter()
        let admitted = (0..<40).filter { limiter.admit(warning($0), at: .seconds(100)) }
        #expect(admitted == Array(0..<25))
        let later: [(Int, Int, Bool)] = [
            (30, 104, false), (30, 105, true), (31, 109, false), (0, 699, false), (0, 700, true),
        ]
        for (number, second, isAdmitted) in later {
            let result = limiter.admit(warning(number), at: .seconds(second))
            #expect(result == isAdmitted, "\(number) at \(second)")
        }
    }

    private func recording(
        _ world: World, onNode node: String = "node-1", _ body: @escaping @Sendable (EventRecorder) async throws -> Void
    ) async throws {
        var log = Logger(label: "test")
        log.logLevel = .critical
        let recorder = EventRecorder(world.connection, nodeName: node, time: FastTime().keeper, log: log)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await recorder.run() }
            let outcome = await Result { try await body(recorder) }
            group.cancelAll()
            try await group.waitForAll()
            try outcome.get()
        }
    }

    @Test("an Event is in the Service's namespace and says who writes it")
    func event() async throws {
        try await World.with { world in
            try await recording(world) { recorder in
                recorder.record(warning(1, note: "10.96.0.1:80 is \"taken\"" + String(repeating: "ö", count: 2000)))
                recorder.record(warning(1, note: "10.96.0.1:80 is \"taken\"" + String(repeating: "ö", count: 2000)))
                await world.server.until { $0.requests.count == 1 }
                let request = try #require(world.server.observation.requests.first)
                #expect(request.path == "/apis/events.k8s.io/v1/namespaces/shop/events")
                let event = try JSON(parsing: String(decoding: request.body, as: UTF8.self))
                #expect(event["regarding"]?["name"] == "web-1")
                #expect(event["regarding"]?["namespace"] == "shop")
                #expect(event["reportingController"] == "swiftlet")
                #expect(event["reportingInstance"] == "node-1")
                #expect(event["type"] == "Warning")
                #expect(event["eventTime"] == "2023-11-14T22:13:20.000000Z")
                #expect(event["note"]?.text?.utf8.count == 1024)
                while recorder.counts.posted == 0 { await Task.yield() }
                #expect(recorder.counts == EventRecorder.Counts(posted: 1, failed: 0, suppressed: 1))
            }
        }
    }

    @Test("an API server that refuses is counted, and nobody waits")
    func refused() async throws {
        try await World.with { world in
            world.server.inject(.status(403, reason: "Forbidden"), into: .init(.create, "events"), times: 2)
            try await recording(world) { recorder in
                for number in 0..<3 { recorder.record(warning(number)) }
                while recorder.counts.posted == 0 { await Task.yield() }
                #expect(recorder.counts == EventRecorder.Counts(posted: 1, failed: 2, suppressed: 0))
            }
        }
    }

    @Test("what several nodes say of a Service is one Event, and an answer that stalls holds up no other")
    func shared() async throws {
        try await World.with { world in
            world.server.inject(.stalledBody(201), into: .init(.create, "events"))
            try await recording(world) { first in
                try await recording(world) { second in
                    first.record(warning(0))
                    while first.counts.posted < 1 { await Task.yield() }
                    first.record(warning(1))
                    while first.counts.posted < 2 { await Task.yield() }
                    second.record(warning(1))
                    second.record(warning(1, note: "another note"))
                    while second.counts.posted < 1 { await Task.yield() }
                    #expect(second.counts == EventRecorder.Counts(posted: 1, failed: 0, shared: 1, suppressed: 0))
                }
            }
        }
    }

    @Test("what several nodes find of themselves is one Event, which names the first of them")
    func sharedOfNodes() async throws {
        var warning = warning(0, note: "services4 is full (8)")
        warning.isOfNode = true
        try await World.with { [warning] world in
            for (node, isFirst) in [("node-1", true), ("node-2", false)] {
                try await recording(world, onNode: node) { recorder in
                    recorder.record(warning)
                    while recorder.counts.posted + recorder.counts.shared == 0 { await Task.yield() }
                    #expect(recorder.counts.posted == (isFirst ? 1 : 0))
                }
            }
            let request = try #require(world.server.observation.requests.first)
            let event = try JSON(parsing: String(decoding: request.body, as: UTF8.self))
            #expect(event["note"] == "on node node-1: services4 is full (8)")
        }
    }
}
