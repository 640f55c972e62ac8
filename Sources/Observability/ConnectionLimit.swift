import NIOCore

/// Bounds what the clients of a listener may hold: so many connections, each for so long.
///
/// One connection more closes the oldest: an answer takes milliseconds, so the oldest one is slow, and
/// slow clients cannot keep others out.
final class ConnectionLimit: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    private let limit: Int
    private let lifetime: TimeAmount
    /// The oldest comes first.
    private var connections: [any Channel] = []

    init(_ limit: Int, lifetime: TimeAmount) {
        self.limit = limit
        self.lifetime = lifetime
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let connection = unwrapInboundIn(data)
        if connections.count >= limit { connections.removeFirst().close(promise: nil) }
        connections.append(connection)
        let end = connection.eventLoop.scheduleTask(in: lifetime) { connection.close(promise: nil) }
        let list = NIOLoopBound(self, eventLoop: context.eventLoop)
        connection.closeFuture.hop(to: context.eventLoop).whenComplete { _ in
            end.cancel()
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
