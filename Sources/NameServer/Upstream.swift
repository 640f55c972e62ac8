import DNSMessage
import NIOCore
import NIOPosix
import ServiceModel
import Synchronization

/// Asks other name servers, as a stub resolver does: one after the other, each question from a port and with an id of
/// its own (RFC 5452).
final class Upstream: Sendable {
    /// For each server's answer.
    static let usualPatience = TimeAmount.seconds(2)
    /// Servers that are asked for a question; a single one is asked again.
    static let tries = 2
    /// Questions that wait for an answer, with a socket each; half of them may be one client's.
    static let mostWaiting = 512

    enum Failure: Error {
        /// No server answered in time.
        case silent
        /// Too many questions wait already, of all clients or of this one.
        case busy
    }

    private let servers: Mutex<[SocketAddress]>
    private let group: any EventLoopGroup
    private let patience: TimeAmount
    private let waiting = ClientShares(all: mostWaiting, each: mostWaiting / 2)

    init(_ servers: [SocketAddress], group: any EventLoopGroup, patience: TimeAmount = usualPatience) {
        self.patience = patience
        self.servers = Mutex(servers)
        self.group = group
    }

    /// For the questions to come.
    func use(_ servers: [SocketAddress]) { self.servers.withLock { $0 = servers } }

    /// - Parameter then: called once, on any event loop.
    func ask(
        _ message: [UInt8], _ question: Question, _ transport: NameResolver.Transport, for client: IPAddress,
        then: @escaping @Sendable (Result<ForeignResponse, Failure>) -> Void
    ) {
        guard let share = waiting.enter(client) else { return then(.failure(.busy)) }
        let round = Round(
            message: message, question: question, transport: transport, servers: servers.withLock { $0 })
        attempt(0, of: round, worse: nil) { result in
            share.leave()
            then(result)
        }
    }

    private struct Round: Sendable {
        var message: [UInt8]
        var question: Question
        var transport: NameResolver.Transport
        var servers: [SocketAddress]
    }

    /// - Parameter worse: what a server said that could not answer, for when no other can.
    private func attempt(
        _ number: Int, of round: Round, worse: ForeignResponse?,
        then: @escaping @Sendable (Result<ForeignResponse, Failure>) -> Void
    ) {
        guard number < Self.tries, !round.servers.isEmpty else {
            return then(worse.map { .success($0) } ?? .failure(.silent))
        }
        let server = round.servers[number % round.servers.count]
        let exchange = UpstreamExchange(round.message, round.question, within: patience, on: group.next())
        exchange.response.whenComplete { [self] result in
            switch result {
            case .success(let response) where response.code != .serverFailure && response.code != .refused:
                then(.success(response))
            case .success(let response): attempt(number + 1, of: round, worse: response, then: then)
            case .failure:
                putLast(server)
                attempt(number + 1, of: round, worse: worse, then: then)
            }
        }
        switch round.transport {
        case .datagram: exchange.start(overDatagramsTo: server)
        case .stream: exchange.start(overStreamTo: server)
        }
    }

    /// A silent server costs one question its patience, and not each: the next is asked first from now on.
    private func putLast(_ server: SocketAddress) {
        servers.withLock { if $0.first == server { $0.append($0.removeFirst()) } }
    }
}

/// One question to one server.
private final class UpstreamExchange: Sendable {
    struct NoAnswer: Error {}

    private let query: [UInt8]
    private let question: Question
    private let patience: TimeAmount
    private let loop: any EventLoop
    private let promise: EventLoopPromise<ForeignResponse>

    var response: EventLoopFuture<ForeignResponse> { promise.futureResult }

    init(_ message: [UInt8], _ question: Question, within patience: TimeAmount, on loop: any EventLoop) {
        self.patience = patience
        var query = message
        let id = UInt16.random(in: .min ... .max)
        (query[0], query[1]) = (UInt8(id >> 8), UInt8(id & 0xff))
        self.query = query
        self.question = question
        self.loop = loop
        promise = loop.makePromise()
    }

    func start(overDatagramsTo server: SocketAddress) {
        let opened = DatagramBootstrap(group: loop)
            // A client may have said that it takes as much, and then so much comes.
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_535))
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramAnswer(of: self))
                }
            }
            .connect(to: server)
        run(opened) { [query] channel in
            channel.writeAndFlush(
                AddressedEnvelope(remoteAddress: server, data: channel.allocator.buffer(bytes: query)))
        }
    }

    func start(overStreamTo server: SocketAddress) {
        let opened = ClientBootstrap(group: loop)
            .connectTimeout(patience)
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(MessageFrameDecoder()), StreamAnswer(of: self),
                    ])
                }
            }
            .connect(to: server)
        run(opened) { [query] channel in channel.writeAndFlush(channel.allocator.buffer(frame: query)) }
    }

    private func run(
        _ opened: EventLoopFuture<any Channel>, send: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) {
        let limit = loop.scheduleTask(in: patience) { [promise] in promise.fail(NoAnswer()) }
        opened.flatMap(send).whenFailure { [promise] in promise.fail($0) }
        promise.futureResult.whenComplete { _ in
            limit.cancel()
            opened.whenSuccess { $0.close(promise: nil) }
        }
    }

    /// Nothing more comes from this server.
    func end() { promise.fail(NoAnswer()) }

    /// What is no answer to this question is passed over: it may be forged, or late.
    func take(_ bytes: [UInt8]) {
        guard bytes.count >= 2, bytes[0] == query[0], bytes[1] == query[1], let response = ForeignResponse(bytes),
            response.question == question
        else { return }
        promise.succeed(response)
    }
}

private final class DatagramAnswer: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let exchange: UpstreamExchange

    init(of exchange: UpstreamExchange) { self.exchange = exchange }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        exchange.take(Array(buffer: unwrapInboundIn(data).data))
    }

    /// Such as ECONNREFUSED: the port is closed, and the next server need not wait.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { exchange.end() }
}

private final class StreamAnswer: ChannelInboundHandler {
    typealias InboundIn = [UInt8]
    private let exchange: UpstreamExchange

    init(of exchange: UpstreamExchange) { self.exchange = exchange }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { exchange.take(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) { exchange.end() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { exchange.end() }
}
