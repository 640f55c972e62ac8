import NIOCore
import ServiceModel

/// Reads the messages of a connection and answers each, in the order in which answers come (RFC 7766 6.2.1.1).
///
/// A client that asks faster than it is answered, or does not read its answers, is read no further meanwhile: the rest waits in
/// the kernel, and with the client. Other clients have their turn after a few of its questions.
final class StreamQuestions: ChannelDuplexHandler {
    typealias InboundIn = [UInt8]
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Questions of a connection whose answers are not sent yet.
    static let mostWaiting = 16
    /// Questions that are answered before others have their turn.
    static let mostAtOnce = 4

    private let resolver: NameResolver
    private var waiting = 0
    /// Of these, those that others are asked for: the client has done its part.
    private var asking = 0
    /// Messages beyond those: at most what one read has brought. The first ones are done with.
    private var queue: [[UInt8]] = []
    private var done = 0
    private var wantsToRead = false
    private var isDraining = false
    private var hasTurn = false
    /// The client sends nothing more, and waits for what it asked.
    private var isComplete = false

    init(_ resolver: NameResolver) { self.resolver = resolver }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        queue.append(unwrapInboundIn(data))
        drain(context)
    }

    func read(context: ChannelHandlerContext) {
        if queue.isEmpty { context.read() } else { wantsToRead = true }
    }

    private func drain(_ context: ChannelHandlerContext) {
        // An answer that is sent at once makes room while it is asked for.
        if isDraining || hasTurn { return }
        isDraining = true
        defer { isDraining = false }
        for _ in 0..<Self.mostAtOnce where hasRoom(context) {
            done += 1
            answer(queue[done - 1], context)
        }
        if hasRoom(context) { return takeTurn(context) }
        guard done == queue.count else { return }
        (queue, done) = ([], 0)
        if isComplete, waiting == 0 { return context.close(promise: nil) }
        if wantsToRead {
            wantsToRead = false
            context.read()
        }
    }

    private func hasRoom(_ context: ChannelHandlerContext) -> Bool {
        waiting < Self.mostWaiting && done < queue.count && context.channel.isWritable
    }

    /// Goes on when the other connections and the datagrams that have come were looked at.
    private func takeTurn(_ context: ChannelHandlerContext) {
        hasTurn = true
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.execute {
            bound.value.handler.hasTurn = false
            bound.value.handler.drain(bound.value.context)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        drain(context)
        context.fireChannelWritabilityChanged()
    }

    /// What a client asked that has gone is not answered.
    func channelInactive(context: ChannelHandlerContext) {
        (queue, done, wantsToRead) = ([], 0, false)
        context.fireChannelInactive()
    }

    private func answer(_ message: [UInt8], _ context: ChannelHandlerContext) {
        guard let client = context.remoteAddress.flatMap({ IPAddress($0) }) else { return context.close(promise: nil) }
        waiting += 1
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        let loop = context.eventLoop
        let outcome = resolver.resolve(message, from: client, .stream) { answer in
            loop.execute {
                bound.value.handler.asking -= 1
                bound.value.handler.send(answer, bound.value.context)
            }
        }
        switch outcome {
        case .answer(let answer): send(answer, context)
        case .later: asking += 1
        case .silence: context.close(promise: nil)
        }
    }

    private func send(_ answer: [UInt8], _ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        // An answer that the client does not read waits, too.
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(frame: answer))).whenComplete { _ in
            bound.value.handler.waiting -= 1
            bound.value.handler.drain(bound.value.context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is IdleStateHandler.IdleStateEvent where asking == 0: context.close(promise: nil)
        case ChannelEvent.inputClosed:
            isComplete = true
            drain(context)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
