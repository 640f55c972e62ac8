import KubernetesAPI
import KubernetesObjects
import Logging
import ServiceModel
import Synchronization
import LabAPIServer
import Testing

/// A source that follows a server, and what its batches build.
final class Following: Sendable {
    struct Record: Sendable {
        var services: [ObjectName: Service] = [:]
        var slices: [ObjectName: EndpointSlice] = [:]
        var nodes: [String: Node] = [:]
        var state = ClusterState()
        var batches: [StateBatch] = []
        /// Everything that was ever said to be gone.
        var gone: [ClusterEvent] = []
        var problems: [StateProblem] = []
    }

    let source: KubernetesSource
    let time: FastTime
    let requests: RequestBoard
    private let record = Mutex(Record())
    private let signal: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    private init(_ source: KubernetesSource, _ time: FastTime, _ requests: RequestBoard) {
        self.source = source
        self.requests = requests
        self.time = time
        (signal, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Runs the body beside a source that follows these connections; both end with it.
    static func with(
        _ connection: APIConnection, nodeName: String? = nil, proxyName: String? = nil,
        scope: ServiceScope = .served, timeouts: Timeouts = .patient, time: FastTime = FastTime(),
        _ body: @escaping @Sendable (Following) async throws -> Void
    ) async throws {
        var log = Logger(label: "test")
        log.logLevel = .critical
        let requests = RequestBoard()
        let source = KubernetesSource(
            connection, nodeName: nodeName, proxyName: proxyName, scope: scope, requests: requests, timeouts: timeouts,
            time: time.keeper, log: log)
        let following = Following(source, time, requests)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await source.run() }
            group.addTask {
                for await batch in source.batches { following.take(batch) }
            }
            let outcome = await Result { try await body(following) }
            group.cancelAll()
            try await group.waitForAll()
            try outcome.get()
        }
    }

    var current: Record { record.withLock { $0 } }

    private func take(_ batch: StateBatch) {
        record.withLock { $0.apply(batch) }
        continuation.yield()
    }

    /// Waits until what was told is as it is wanted.
    func until(_ isWanted: (Record) -> Bool) async {
        if isWanted(current) { return }
        for await _ in signal where isWanted(current) { return }
    }

    /// Waits until what was told is what the server holds and we want to know.
    func untilEqual(to store: ObjectStore) async throws {
        let wanted = try Record(of: store)
        await until { $0.hasSameObjects(as: wanted) }
    }
}

/// What was told is what the server holds.
func expectEqual(_ following: Following, _ store: ObjectStore, sourceLocation: SourceLocation = #_sourceLocation) throws
{
    let wanted = try Following.Record(of: store)
    #expect(following.current.services == wanted.services, sourceLocation: sourceLocation)
    #expect(following.current.slices == wanted.slices, sourceLocation: sourceLocation)
    #expect(following.current.hasSameObjects(as: wanted), sourceLocation: sourceLocation)
}

extension Following.Record {
    init(of store: ObjectStore) throws {
        let reader = APIObjectReader(origin: "store")
        for object in store.objects("services") + store.objects("endpointslices") + store.objects("nodes") {
            let line: JSON = ["type": "ADDED", "object": object.content]
            guard case .put(let read) = try reader.watchEvent(line.bytes), let event = read.event else { continue }
            apply(StateBatch(events: [event]))
        }
    }

    fileprivate mutating func apply(_ batch: StateBatch) {
        batches.append(batch)
        problems.removeAll { batch.resolved.contains($0) }
        problems += batch.problems
        _ = state.apply(batch.events)
        for event in batch.events {
            switch event {
            case .service(let service): services[service.name] = service
            case .slice(let slice): slices[slice.name] = slice
            case .node(let node): nodes[node.name] = node
            case .serviceGone(let name): services[name] = nil
            case .sliceGone(let name): slices[name] = nil
            case .nodeGone(let name): nodes[name] = nil
            }
            switch event {
            case .serviceGone, .sliceGone, .nodeGone: gone.append(event)
            case .service, .slice, .node: break
            }
        }
    }

    func hasSameObjects(as other: Self) -> Bool {
        services == other.services && slices == other.slices
            && services.keys.allSatisfy { name in
                state.service(named: name) == other.state.service(named: name)
                    && state.slices(of: name) == other.state.slices(of: name)
            }
    }
}

extension Timeouts {
    /// For a machine that is busy: our time passes ten times faster than that of the server.
    static var patient: Timeouts {
        var timeouts = Timeouts()
        timeouts.answerBesideOthers = timeouts.answer
        timeouts.portion = timeouts.answer
        timeouts.refusalBody = .seconds(30)
        return timeouts
    }
}

extension Result where Failure == any Error {
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
