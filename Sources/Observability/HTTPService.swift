import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// Answers requests on any kind of stream socket, within limits that keep memory small.
struct HTTPService: Sendable {
    struct Limits: Sendable {
        /// Connections at the same time.
        var connections = 64
        /// Where listeners have a limit together, in place of one for each.
        var shared: ConnectionQueue?
        /// How long a connection may take to send the head of a request, and wait between requests.
        var patience = Duration.seconds(5)
        /// How long a connection may last at all.
        var lifetime = Duration.seconds(60)
    }

    var limits = Limits()
    let answer: @Sendable (EndpointRequest) async -> EndpointAnswer

    private var http: HTTP1Channel {
        HTTP1Channel(
            responder: { [answer] request, writer, _ in
                let asked = EndpointRequest(method: request.head.method, path: request.uri.path)
                let response = await answer(asked).response(to: asked)
                try await writer.write(response: response.head, body: response.body)
            },
            configuration: .init(
                idleTimeout: TimeAmount(limits.patience),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 16 << 10, maxHeaderFieldCount: 64)))
    }

    /// What is to be bound, without options of a socket.
    func bootstrap() -> ServerBootstrap {
        let (http, limits) = (http, limits)
        // The lines of the library concern single connections.
        let log = Logger(label: "swiftlet.http") { _ in SwiftLogNoOpLogHandler() }
        return ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 128)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ConnectionLimit(
                            limits.shared ?? ConnectionQueue(atMost: limits.connections),
                            lifetime: TimeAmount(limits.lifetime)))
                }
            }
            .childChannelInitializer { channel in
                // A task for each connection from its first moment, and not a sequence of connections that a task
                // takes from: if an element is left in it when the listener closes, the library ends the process.
                http.setup(channel: channel, logger: log).map { connection in
                    Task { await http.handle(value: connection, logger: log) }
                }.map { _ in }
            }
    }

    /// Answers until the task is cancelled.
    static func serve(on server: any Channel) async {
        await withTaskCancellationHandler {
            // An error here is one of closing, which ends the listening, too.
            try? await server.closeFuture.get()
        } onCancel: {
            server.close(promise: nil)
        }
    }
}
