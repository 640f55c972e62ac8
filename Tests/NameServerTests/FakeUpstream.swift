import Glibc
import NIOCore
import NIOPosix
import Synchronization

@testable import DNSMessage
@testable import NameServer

/// A name server of others, on a port of loopback, over UDP and TCP: it says what the test wants, and remembers what it
/// was asked.
final class FakeUpstream: Sendable {
    enum Way: Sendable { case datagram, stream }

    /// Gives the answers to a message, in their order; none: it stays silent.
    typealias Behavior = @Sendable ([UInt8], Way) -> [[UInt8]]

    let address: SocketAddress
    private let channels: [any Channel]
    private let log: Log

    /// Messages as they came.
    var asked: [[UInt8]] { log.messages.withLock { $0 } }

    final class Log: Sendable {
        let messages = Mutex<[[UInt8]]>([])
    }

    init(_ behavior: @escaping Behavior) async throws {
        let (group, log) = (MultiThreadedEventLoopGroup.singleton, Log())
        let (datagrams, streams, address) = try await onFreePort {
            let datagrams = try await DatagramBootstrap(group: group)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Datagrams(log, behavior))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            guard let address = datagrams.localAddress else { throw ChannelError.unknownLocalAddress }
            let streams = try await ServerBootstrap(group: group)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers([
                            ByteToMessageHandler(MessageFrameDecoder()), Streams(log, behavior),
                        ])
                    }
                }
                .bind(to: address).get()
            return (datagrams, streams, address)
        }
        self.address = address
        self.log = log
        channels = [datagrams, streams]
    }

    deinit { for channel in channels { channel.close(promise: nil) } }

    private final class Datagrams: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        let (log, behavior): (Log, Behavior)

        init(_ log: Log, _ behavior: @escaping Behavior) { (self.log, self.behavior) = (log, behavior) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            let message = Array(buffer: envelope.data)
            log.messages.withLock { $0.append(message) }
            for answer in behavior(message, .datagram) {
                let data = context.channel.allocator.buffer(bytes: answer)
                context.channel.writeAndFlush(
                    AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: data), promise: nil)
            }
        }
    }

    private final class Streams: ChannelInboundHandler {
        typealias InboundIn = [UInt8]
        let (log, behavior): (Log, Behavior)

        init(_ log: Log, _ behavior: @escaping Behavior) { (self.log, self.behavior) = (log, behavior) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let message = unwrapInboundIn(data)
            log.messages.withLock { $0.append(message) }
            for answer in behavior(message, .stream) {
                context.channel.writeAndFlush(context.channel.allocator.buffer(frame: answer), promise: nil)
            }
        }
    }
}

/// Takes a port for UDP that another program may have for TCP: then the next one is tried.
func onFreePort<Value: Sendable>(_ bind: @Sendable () async throws -> Value) async throws -> Value {
    for _ in 0..<20 {
        do {
            return try await bind()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            continue
        }
    }
    return try await bind()
}
