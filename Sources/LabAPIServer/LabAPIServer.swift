import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// An API server for tests and benchmarks: it speaks the real protocol, over TLS, on 127.0.0.1, and errs on demand.
///
/// It knows lists with pages and selectors, watches with bookmarks and initial events, expired history, and Events.
package final class LabAPIServer: Sendable {
    package struct Options: Sendable {
        /// Nil: plain HTTP.
        package var certificate: TestCertificates.Pair?
        /// Whose client certificates are wanted; nil: none are.
        package var clientAuthority: String?
        /// Nil: any client may ask.
        package var tokens: Set<String>?
        package var knownFields: Set<String> = [
            "metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type", "status.podIP",
        ]
        /// What a watch from a version in the future does: wait, as an API server's cache does, or be refused.
        package var refusesFutureVersions = false
        /// A list that names a version comes from the cache, which knows no limit.
        package var listsFromCache = true

        package init(certificate: TestCertificates.Pair? = nil, clientAuthority: String? = nil) {
            self.certificate = certificate
            self.clientAuthority = clientAuthority
        }
    }

    struct State {
        var options: Options
        var faults: [(pattern: RequestPattern, fault: Fault)] = []
        var requests: [RecordedRequest] = []
        var watches: [String: Int] = [:]
        var firstRequest: ContinuousClock.Instant?
        var lastWrite: ContinuousClock.Instant?
        var listener: (any Channel)?
        var connections: [ObjectIdentifier: any Channel] = [:]
        /// The last answer on each connection.
        var answers: [ObjectIdentifier: Task<Void, Never>] = [:]
    }

    package let store: ObjectStore
    private let reserved: ReservedPort
    let state: Mutex<State>
    let signal = Signal()

    private init(_ options: Options, store: ObjectStore, port: ReservedPort) {
        self.store = store
        reserved = port
        state = Mutex(State(options: options))
    }

    /// Runs the body beside a server, which ends with it.
    package static func with<Result>(
        _ options: Options = Options(), store: ObjectStore = ObjectStore(),
        _ body: (LabAPIServer) async throws -> Result
    ) async throws -> Result {
        let server = LabAPIServer(options, store: store, port: try ReservedPort())
        try await server.start()
        do {
            let result = try await body(server)
            await server.stop()
            return result
        } catch {
            await server.stop()
            throw error
        }
    }

    package var port: Int { reserved.number }

    package var url: String {
        "\(state.withLock { $0.options.certificate } == nil ? "http" : "https")://127.0.0.1:\(port)"
    }

    // MARK: Life

    /// Listens, again if it was stopped.
    package func start() async throws {
        let options = state.withLock { $0.options }
        let tls = try options.certificate.map {
            try NIOSSLContext(configuration: $0.serverConfiguration(trusting: options.clientAuthority))
        }
        let listener = try await retrying { try await self.bind(tls) }
        state.withLock { $0.listener = listener }
    }

    private func bind(_ tls: NIOSSLContext?) async throws -> any Channel {
        try await ServerBootstrap(group: NIOSingletons.posixEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
                    // Pipelining would not read, and so not see a client go, while a watch is being answered.
                    try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false)
                    try pipeline.addHandler(RequestHandler(self))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
    }

    /// A process that is just being started holds a copy of the old listener until it executes its program.
    private func retrying<Result>(_ body: () async throws -> Result) async throws -> Result {
        for _ in 0..<200 {
            if let result = try? await body() { return result }
            try await Task.sleep(for: .milliseconds(10))
        }
        return try await body()
    }

    /// Is away: refuses connections and drops those that there are.
    package func stop() async {
        let listener = state.withLock { state in
            defer { state.listener = nil }
            return state.listener
        }
        try? await listener?.close()
        await dropConnections()
    }

    /// Closes all connections, and returns when nothing is being answered on them any more.
    package func dropConnections() async {
        let (channels, answers) = state.withLock { (Array($0.connections.values), Array($0.answers.values)) }
        for channel in channels { try? await channel.close() }
        for answer in answers { await answer.value }
    }

    package func change(_ change: @Sendable (inout Options) -> Void) {
        state.withLock { change(&$0.options) }
    }

    // MARK: Faults

    /// Lets requests like this one go wrong, each of the next ones once; several faults may meet in one request.
    package func inject(_ faults: Fault..., into pattern: RequestPattern, times: Int = 1) {
        state.withLock { state in
            for _ in 0..<times { state.faults += faults.map { (pattern, $0) } }
        }
    }

    /// Takes the faults of one request out of the plan: the first for each pattern, and the manner in which it is sent.
    func takeFaults(for pattern: RequestPattern) -> [Fault] {
        state.withLock { state in
            var taken: [Fault] = []
            var hasEnd = false
            var rest: [(pattern: RequestPattern, fault: Fault)] = []
            for planned in state.faults {
                let isManner = planned.fault.isManner
                if planned.pattern == pattern, isManner ? !taken.contains(where: \.isManner) : !hasEnd {
                    taken.append(planned.fault)
                    if !isManner { hasEnd = true }
                } else {
                    rest.append(planned)
                }
            }
            state.faults = rest
            return taken
        }
    }

    // MARK: Observation

    package struct Observation: Sendable {
        package var requests: [RecordedRequest]
        /// The watches that are open, by resource.
        package var watches: [String: Int]
        package var plannedFaults: Int
        package var firstRequest: ContinuousClock.Instant?
        /// When the newest events of any watch began to be written.
        package var lastWrite: ContinuousClock.Instant?
    }

    package var observation: Observation {
        state.withLock {
            Observation(
                requests: $0.requests, watches: $0.watches, plannedFaults: $0.faults.count,
                firstRequest: $0.firstRequest, lastWrite: $0.lastWrite)
        }
    }

    /// Waits until what the server has seen is as it is wanted.
    package func until(_ isWanted: (Observation) -> Bool) async {
        for await _ in signal.changes() where isWanted(observation) { return }
    }

    func note(_ request: RecordedRequest) {
        state.withLock {
            $0.firstRequest = $0.firstRequest ?? .now
            $0.requests.append(request)
        }
        signal.notify()
    }

    func noteWrite() { state.withLock { $0.lastWrite = .now } }

    func noteWatch(_ resource: String, _ difference: Int) {
        state.withLock { $0.watches[resource, default: 0] += difference }
        signal.notify()
    }
}

extension Fault {
    /// It changes how an answer is sent, and not what.
    fileprivate var isManner: Bool {
        switch self {
        case .pieces, .merged, .reversed, .endless: true
        default: false
        }
    }
}
