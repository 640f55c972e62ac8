import Glibc
import NIOCore
import NIOPosix
import ServiceModel

/// The sockets of one address, over UDP and TCP.
struct NameListener: Sendable {
    private struct TooManyConnections: Error {}

    /// What the kernel keeps for a connection each way, bytes: room for the longest message.
    private static let buffer: ChannelOptions.Types.SocketOption.Value = 128 << 10

    private static let datagramBuffer: ChannelOptions.Types.SocketOption.Value = 1 << 20
    private static let forcedBuffer = ChannelOptions.Types.SocketOption(
        level: .socket, name: .init(rawValue: SO_RCVBUFFORCE))

    private let datagrams: any Channel
    private let streams: any Channel

    init(
        at place: SocketAddress, _ resolver: NameResolver, idleTime: TimeAmount, _ group: any EventLoopGroup
    ) async throws {
        datagrams = try await Self.datagrams(at: place, resolver, group)
        do {
            // The port is another one than was asked for where that was 0.
            streams = try await Self.streams(at: datagrams.localAddress ?? place, resolver, idleTime, group)
        } catch {
            datagrams.close(promise: nil)
            throw error
        }
    }

    var address: SocketAddress? { streams.localAddress }

    /// Both are closed when one is, or when the task is cancelled.
    func untilClosed() async {
        datagrams.closeFuture.whenComplete { [streams] _ in streams.close(promise: nil) }
        try? await withTaskCancellationHandler {
            try await streams.closeFuture.get()
        } onCancel: {
            streams.close(promise: nil)
        }
        datagrams.close(promise: nil)
    }

    static func text(_ error: IOError) -> String {
        switch error.errnoCode {
        case EADDRINUSE: "the port is taken by another program"
        case EADDRNOTAVAIL: "it is no address of this node"
        case EINVAL: "it is an address of one link only"
        case EACCES: "permission denied, add CAP_NET_BIND_SERVICE or take a port above 1023"
        default: "\(error)"
        }
    }

    /// Without SO_REUSEADDR, which would let two programs have one UDP port, one of them in vain.
    private static func datagrams(
        at place: SocketAddress, _ resolver: NameResolver, _ group: any EventLoopGroup
    ) async throws -> any Channel {
        try await DatagramBootstrap(group: group)
            .channelOption(.socketOption(.so_rcvbuf), value: datagramBuffer)
            .channelOption(.datagramVectorReadMessageCount, value: 32)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 32 * 2048))
            .channelInitializer { channel in
                // Beyond net.core.rmem_max, where CAP_NET_ADMIN allows it: bursts wait instead of being lost.
                try? channel.syncOptions?.setOption(forcedBuffer, value: datagramBuffer)
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramQuestions(resolver))
                }
            }
            .bind(to: place).get()
    }

    private static func streams(
        at place: SocketAddress, _ resolver: NameResolver, _ idleTime: TimeAmount, _ group: any EventLoopGroup
    ) async throws -> any Channel {
        let connections = ClientShares(all: NameServer.mostConnections, each: NameServer.mostConnections / 4)
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Connections have the listener's: as they are, the kernel would keep megabytes for each.
            .serverChannelOption(.socketOption(.so_rcvbuf), value: buffer)
            .serverChannelOption(.socketOption(.so_sndbuf), value: buffer)
            // A client may have said all that it asks before it is answered.
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let client = channel.remoteAddress.flatMap({ IPAddress($0) }),
                        let share = connections.enter(client)
                    else { throw TooManyConnections() }
                    channel.closeFuture.whenComplete { _ in share.leave() }
                    // Idle is a client that sends no whole message, though it sends bytes now and then.
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(MessageFrameDecoder()), IdleStateHandler(readTimeout: idleTime),
                        StreamQuestions(resolver),
                    ])
                }
            }
            .bind(to: place).get()
    }
}

extension NameServerSettings.Address {
    var socketAddress: SocketAddress {
        get throws { try SocketAddress(ipAddress: "\(address)", port: Int(port)) }
    }
}
