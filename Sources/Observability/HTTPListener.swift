import Glibc
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// One address on which requests are answered, within limits that keep memory small.
struct HTTPListener: Sendable {
    struct Limits: Sendable {
        /// Connections at the same time.
        var connections = 64
        /// How long a connection may take to send the head of a request, and wait between requests.
        var patience = Duration.seconds(5)
        /// How long a connection may last at all.
        var lifetime = Duration.seconds(60)
    }

    let address: ListenAddress
    var limits = Limits()
    let answer: @Sendable (EndpointRequest) async -> EndpointAnswer

    /// Answers until the task is cancelled.
    /// - Parameter onListening: called with the port as soon as the address is bound.
    func run(onListening: @Sendable (UInt16) -> Void) async throws(ListenError) {
        let server = try await bound()
        onListening(UInt16(server.localAddress?.port ?? Int(address.port)))
        await withTaskCancellationHandler {
            // An error here is one of closing, after which nobody listens either.
            try? await server.closeFuture.get()
        } onCancel: {
            server.close(promise: nil)
        }
    }

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

    private func bound() async throws(ListenError) -> any Channel {
        guard address.isUnspecified else { return try await bound(host: address.host) }
        // One socket for both families, as kube-proxy has it, unless the kernel was started without IPv6.
        do throws(ListenError) {
            return try await bound(host: "::")
        } catch  where error.code == EAFNOSUPPORT {
            return try await bound(host: "0.0.0.0")
        }
    }

    private func bound(host: String) async throws(ListenError) -> any Channel {
        let (http, limits) = (http, limits)
        // The lines of the library concern single connections.
        let log = Logger(label: "swiftlet.http") { _ in SwiftLogNoOpLogHandler() }
        var bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ConnectionLimit(limits.connections, lifetime: TimeAmount(limits.lifetime)))
                }
            }
            .childChannelInitializer { channel in
                // A task for each connection from its first moment, and not a sequence of connections that a task
                // takes from: what nobody takes any more, when the listener closes, the library ends the process for.
                http.setup(channel: channel, logger: log).map { connection in
                    Task { await http.handle(value: connection, logger: log) }
                }.map { _ in }
            }
        if address.isUnspecified, host.contains(":") {
            let onlyIPv6 = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)
            bootstrap = bootstrap.serverChannelOption(onlyIPv6, value: 0)
        }
        do {
            return try await bootstrap.bind(to: try SocketAddress(ipAddress: host, port: Int(address.port))).get()
        } catch {
            throw ListenError(address, error)
        }
    }
}

/// An address that could not be bound.
struct ListenError: Error, Sendable {
    let address: ListenAddress
    /// The kernel's number; 0 if it was not the kernel who refused.
    let code: CInt
    let cause: String

    init(_ address: ListenAddress, _ error: any Error) {
        self.address = address
        let refused = error as? IOError
        code = refused?.errnoCode ?? 0
        let text = refused.map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
        cause = text.prefix(1).lowercased() + text.dropFirst()
    }

    /// What happened, with the process that has the port if there is one.
    func explained() async -> String {
        guard code == EADDRINUSE else { return cause }
        let finding = (try? await NIOThreadPool.singleton.runIfActive { PortHolder.find(address) }) ?? .nobody
        return switch finding {
        case .process(let holder): "address already in use by \(holder)"
        case .outOfSight: "address already in use by \(UnseenHolder.text)"
        case .nobody: "address already in use"
        }
    }
}
