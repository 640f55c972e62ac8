import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// Collects the requests of one connection and has them answered, one after the other.
final class RequestHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let server: LabAPIServer
    private var request: RecordedRequest?
    private var answering: Task<Void, Never>?

    init(_ server: LabAPIServer) { self.server = server }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        server.state.withLock { $0.connections[ObjectIdentifier(channel)] = channel }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let channel = context.channel
        server.state.withLock { state in
            state.connections[ObjectIdentifier(channel)] = nil
            state.answers[ObjectIdentifier(channel)] = nil
        }
        answering?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            var request = RecordedRequest(method: head.method.rawValue, uri: head.uri)
            request.authorization = head.headers.first(name: "authorization")
            let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate()
            request.certificate = certificate?.serialNumber.map { String($0, radix: 16) }.joined()
            self.request = request
        case .body(let buffer):
            request?.body += Array(buffer.readableBytesView)
        case .end:
            guard let request else { return }
            self.request = nil
            let channel = context.channel
            let answer = Answer(server, channel, request)
            let task = Task { await answer.run() }
            answering = task
            server.state.withLock { $0.answers[ObjectIdentifier(channel)] = task }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
