import Logging
import NetworkLab
import ServiceLifecycle

@testable import Observability

/// What listeners tell while they run: ports as they are bound, and problems as they are logged.
struct Listening: Sendable {
    let problems = ListenProblems()
    private let ports = AsyncStream<(purpose: String, port: UInt16)>.makeStream()
    private let complaints = AsyncStream<String>.makeStream()
    private let announcements = AsyncStream<Void>.makeStream()

    /// Attempts follow each other quickly.
    static let pauses = PersistentListener.Pauses(first: .milliseconds(5), last: .milliseconds(20))

    var log: Logger {
        Logger(label: "test") { _ in
            Handler(complaints: complaints.continuation, announcements: announcements.continuation)
        }
    }

    func took(_ purpose: String, _ port: UInt16) { ports.continuation.yield((purpose, port)) }

    /// The next port that is listened on.
    func port() async -> (purpose: String, port: UInt16) { await next(of: ports.stream) ?? ("", 0) }

    /// The next problem that is logged.
    func complaint() async -> String { await next(of: complaints.stream) ?? "" }

    /// Waits for the next log line that says that somebody listens.
    func announcement() async { _ = await next(of: announcements.stream) }

    private func next<Element: Sendable>(of stream: AsyncStream<Element>) async -> Element? {
        var iterator = stream.makeAsyncIterator()
        return await iterator.next(isolation: nil)
    }

    /// Runs the service for as long as the body takes.
    func during<Value: Sendable>(_ service: any Service, _ body: () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            defer { group.cancelAll() }
            return try await body()
        }
    }

}

/// Another listener of this process, on a port that the kernel chose.
final class Stranger: Sendable {
    let port: UInt16
    private let socket: Socket

    /// - Parameter address: four or sixteen bytes.
    init(on address: [UInt8] = [127, 0, 0, 1]) throws {
        socket = try Socket.bound(.tcp, to: SocketAddress(address: address, port: 0))
        port = try socket.localName().port
    }
}

private struct Handler: LogHandler {
    let complaints: AsyncStream<String>.Continuation
    let announcements: AsyncStream<Void>.Continuation
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        if event.message == "listening" { announcements.yield() }
        if let cause = event.metadata?["cause"] { complaints.yield("\(cause)") }
    }
}
