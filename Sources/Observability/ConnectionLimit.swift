import NIOCore
import Synchronization

/// The connections of some listeners, which may be so many together.
///
/// One connection more closes the oldest: an answer takes milliseconds, so the oldest one is slow, and
/// slow clients cannot keep others out.
final class ConnectionQueue: Sendable {
    private let limit: Int
    /// The oldest comes first.
    private let connections = Mutex<[any Channel]>([])

    init(atMost limit: Int) { self.limit = limit }

    func add(_ connection: any Channel) {
        let oldest = connections.withLock { connections in
            defer { connections.append(connection) }
            return connections.count >= limit ? connections.removeFirst() : nil
        }
        oldest?.close(promise: nil)
    }

    func remove(_ connection: any Channel) {
        connections.withLock { connections in connections.removeAll { $0 === connection } }
    }
}

/// Bounds what the clients of a listener may hold: so many connections, each for so long.
final class ConnectionLimit: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    /// Those of the listener, and of others that share its limit.
    private let all: ConnectionQueue
    private let lifetime: TimeAmount
    /// Those of the listener.
    private var connections: [any Channel] = []

    init(_ all: ConnectionQueue, lifetime: TimeAmount) {
        self.all = all
        self.lifetime = lifetime
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let connection = unwrapInboundIn(data)
        all.add(connection)
        connections.append(connection)
        let end = connection.eventLoop.scheduleTask(in: lifetime) { connection.close(promise: nil) }
        let list = NIOLoopBound(self, eventLoop: context.eventLoop)
        connection.closeFuture.hop(to: context.eventLoop).whenComplete { [all] _ in
            end.cancel()
            all.remove(connection)
            list.value.connections.removeAll { $0 === connection }
        }
        context.fireChannelRead(data)
    }

    /// Closing the listener ends its clients' connections, too.
    func channelInactive(context: ChannelHandlerContext) {
        for connection in connections { connection.close(promise: nil) }
        context.fireChannelInactive()
    }
}
