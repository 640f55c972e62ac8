import Glibc
package import Logging
import NIOCore
import NIOPosix
import protocol ServiceLifecycle.Service
import func ServiceLifecycle.cancelWhenGracefulShutdown

/// Answers questions over UDP and TCP, for as long as it runs. An address that cannot be had is told and tried again.
package struct NameServer: Service {
    /// TCP connections that are open at one time, at each address.
    static let mostConnections = 128
    /// A connection that says nothing is closed (RFC 7766 6.2.3).
    static let idleTime = TimeAmount.seconds(10)
    private static let pause = Duration.seconds(5)

    private let settings: NameServerSettings
    private let table: NameTable
    private let admission: Admission
    private let board: NameServerBoard
    private let upstream: @Sendable () -> [NameServerSettings.Address]
    private let log: Logger

    /// - Parameters:
    ///   - board: told of what was answered, and of each address that is not listened on.
    ///   - upstream: the servers for other names, read again from time to time.
    package init(
        _ settings: NameServerSettings, table: NameTable, admission: Admission, board: NameServerBoard,
        upstream: @escaping @Sendable () -> [NameServerSettings.Address], log: Logger
    ) {
        self.settings = settings
        self.table = table
        self.admission = admission
        self.board = board
        self.upstream = upstream
        self.log = log
    }

    package func run() async throws {
        // A thread of its own: many questions must not keep the API server's watch waiting.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let upstream = settings.forwards ? Upstream([], group: group) : nil
        let resolver = NameResolver(
            table: table, admission: admission, counters: board.counters, upstream: upstream)
        board.watch(resolver)
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { tasks in
                for address in settings.bind { tasks.addTask { await serve(address, resolver, group) } }
                if let upstream { tasks.addTask { await follow(upstream) } }
            }
        }
        try? await group.shutdownGracefully()
    }

    /// Reads again who is to be asked: resolv.conf changes with the network.
    private func follow(_ upstream: Upstream) async {
        var last: [NameServerSettings.Address]?
        while !Task.isCancelled {
            let servers = self.upstream()
            if servers != last {
                upstream.use(servers.compactMap { try? $0.socketAddress })
                board.set(upstream: servers)
                let shown = servers.map(\.description).joined(separator: ", ")
                log.info("asking others for other names", metadata: ["servers": "\(shown.isEmpty ? "none" : shown)"])
                last = servers
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    private func serve(
        _ address: NameServerSettings.Address, _ resolver: NameResolver, _ group: any EventLoopGroup
    ) async {
        while !Task.isCancelled {
            do {
                try await listen(on: address, resolver, group) {
                    log.info("answering DNS", metadata: ["address": "\(address)"])
                    board.set(address, to: nil)
                }
            } catch {
                let cause = (error as? IOError).map { Self.text($0) } ?? "\(error)"
                let problem = "cannot answer DNS on \(address): \(cause); check --dns-bind"
                if board.set(address, to: problem) {
                    log.warning("cannot answer DNS, trying again", metadata: ["cause": "\(problem)"])
                }
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    private static func text(_ error: IOError) -> String {
        switch error.errnoCode {
        case EADDRINUSE: "the port is taken by another program"
        case EADDRNOTAVAIL: "it is no address of this node"
        case EACCES: "permission denied, add CAP_NET_BIND_SERVICE or take a port above 1023"
        default: "\(error)"
        }
    }

    /// Returns when the task is cancelled.
    private func listen(
        on address: NameServerSettings.Address, _ resolver: NameResolver, _ group: any EventLoopGroup,
        started: () -> Void
    ) async throws {
        let place = try address.socketAddress
        let datagrams = try await Self.datagrams(at: place, resolver, group)
        defer { datagrams.close(promise: nil) }
        let streams = try await Self.streams(at: place, resolver, group)
        started()
        try? await withTaskCancellationHandler {
            try await streams.closeFuture.get()
        } onCancel: {
            streams.close(promise: nil)
        }
    }

    /// Without SO_REUSEADDR, which would let two programs have one UDP port, one of them in vain.
    private static func datagrams(
        at place: SocketAddress, _ resolver: NameResolver, _ group: any EventLoopGroup
    ) async throws -> any Channel {
        try await DatagramBootstrap(group: group)
            .channelOption(.socketOption(.so_rcvbuf), value: 1 << 20)
            .channelOption(.datagramVectorReadMessageCount, value: 32)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 32 * 2048))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramQuestions(resolver))
                }
            }
            .bind(to: place).get()
    }

    private static func streams(
        at place: SocketAddress, _ resolver: NameResolver, _ group: any EventLoopGroup
    ) async throws -> any Channel {
        let connections = ConnectionCount(most: mostConnections)
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard connections.enter() else { throw ConnectionCount.Full() }
                    channel.closeFuture.whenComplete { _ in connections.leave() }
                    try channel.pipeline.syncOperations.addHandlers([
                        IdleStateHandler(readTimeout: idleTime), ByteToMessageHandler(MessageFrameDecoder()),
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
