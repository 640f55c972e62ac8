import AsyncHTTPClient
import Glibc
import KubernetesObjects
import Logging
import NIOCore
import NIOHTTP1

/// An answer of which the head is here and the body comes.
struct APIAnswer: Sendable {
    var body: HTTPClientResponse.Body
    /// Which address gave it, and when it was asked.
    var address: Int
    var startedAt: Duration
}

/// Sends requests to an API server that works, with the current credentials.
///
/// HTTP/1.1, so that each watch has a TCP connection to itself: one that is stuck is dropped without disturbing the
/// others, and the kernel's keep-alive finds a dead peer without pings of our own.
final class APISession: Sendable {
    let connection: APIConnection
    let time: Timekeeper
    let timeouts: Timeouts
    private let addresses: AddressBook
    private let keeper: IdentityKeeper
    private let requests: RequestBoard
    /// One for each address: `certificateName` is a setting of a client.
    private let clients: [HTTPClient]

    /// The session must be shut down.
    init(_ connection: APIConnection, requests: RequestBoard, time: Timekeeper, timeouts: Timeouts, log: Logger?) {
        self.connection = connection
        self.requests = requests
        self.time = time
        self.timeouts = timeouts
        addresses = AddressBook(count: connection.addresses.count)
        keeper = IdentityKeeper(connection, time, log: log)
        clients = connection.addresses.map { address in
            HTTPClient(
                eventLoopGroupProvider: .singleton,
                configuration: .forAPI(
                    address, connection.certificateName, verifies: connection.verifiesCertificate, timeouts))
        }
    }

    /// Runs the body with a session that is shut down when the body is done.
    static func with<Result>(
        _ connection: APIConnection, requests: RequestBoard, time: Timekeeper, timeouts: Timeouts,
        log: Logger? = nil, _ body: (APISession) async -> Result
    ) async -> Result {
        let session = APISession(connection, requests: requests, time: time, timeouts: timeouts, log: log)
        let result = await body(session)
        for client in session.clients {
            // Nothing runs any more; what it may complain of is that it is shut down already.
            try? await client.shutdown()
        }
        return result
    }

    /// Another API server may be asked if one is sick.
    var hasOthers: Bool { clients.count > 1 }

    func url(_ index: Int) -> String { "\(connection.addresses[index])" }

    /// Tells that an address did not keep what its answer began to promise.
    ///
    /// - Parameter isTransport: false if something did answer: where there is no other to ask it is asked again.
    func broke(_ answer: APIAnswer, isTransport: Bool = true) {
        guard isTransport || hasOthers else { return }
        addresses.broke(answer.address, startedAt: answer.startedAt, at: time.now(), time.chance)
    }

    /// Leaves an address, by its URL, whose answers lead nowhere.
    ///
    /// - Parameter isWell: it is as good as the others for other requests.
    func leave(_ server: String, isWell: Bool = false) {
        guard hasOthers, let index = connection.addresses.indices.first(where: { url($0) == server }) else { return }
        let now = time.now()
        if isWell {
            addresses.pass(index, at: now)
        } else {
            addresses.broke(index, startedAt: now, at: now, time.chance)
        }
    }

    /// Sends a request, when an address may be asked, and gives the answer if it is a good one.
    ///
    /// A 401 gets new credentials and a second chance at once.
    func send(_ request: APIRequest) async throws(KubernetesError) -> APIAnswer {
        let limit = hasOthers ? min(timeouts.answer, timeouts.answerBesideOthers) : timeouts.answer
        let choice = addresses.choose(at: time.now())
        if choice.wait > .zero { try await pause(choice.wait, request.action) }
        let url = url(choice.index)
        for isLast in [false, true] {
            let startedAt = time.now()
            let identity = try await keeper.identity()
            let response = try await execute(request, as: identity, on: choice.index, startedAt: startedAt, limit)
            if response.status.code < 300 {
                addresses.worked(choice.index)
                return APIAnswer(body: response.body, address: choice.index, startedAt: startedAt)
            }
            let status = try await status(of: response, to: request)
            if response.status == .unauthorized && !isLast {
                await keeper.refused(identity)
                continue
            }
            if status.isSick {
                broke(APIAnswer(body: response.body, address: choice.index, startedAt: startedAt), isTransport: false)
            }
            throw KubernetesError(
                .status(status), request.action, url, cause: "\(status)", advice: status.advice(for: request))
        }
        preconditionFailure("the last attempt returns or throws")
    }

    func pause(_ duration: Duration, _ action: String) async throws(KubernetesError) {
        do { try await time.sleep(duration) } catch { throw .cancelled(action, url(0)) }
    }

    private func execute(
        _ request: APIRequest, as identity: Identity, on index: Int, startedAt: Duration, _ limit: Duration
    ) async throws(KubernetesError) -> HTTPClientResponse {
        let address = connection.addresses[index]
        let host = address.scheme == "https" ? connection.certificateName ?? address.host : address.host
        var message = HTTPClientRequest(url: address.url(host: host) + address.prefix + request.pathAndQuery)
        message.method = request.method
        message.tlsConfiguration = identity.tls
        message.headers.add(name: "accept", value: "application/json")
        message.headers.add(name: "user-agent", value: "swiftlet")
        if let authorization = identity.authorization {
            message.headers.add(name: "authorization", value: authorization)
        }
        if let body = request.body {
            message.headers.add(name: "content-type", value: "application/json")
            message.body = .bytes(ByteBuffer(string: body))
        }
        var kind = RequestBoard.Kind(code: "<error>", method: message.method.rawValue, host: address.hostAndPort)
        do {
            let response = try await clients[index].execute(message, timeout: TimeAmount(limit))
            kind.code = "\(response.status.code)"
            requests.count(kind, took: time.now() - startedAt)
            return response
        } catch {
            requests.count(kind, took: time.now() - startedAt)
            guard !Task.isCancelled else { throw .cancelled(request.action, "\(address)") }
            addresses.broke(index, startedAt: startedAt, at: time.now(), time.chance)
            throw KubernetesError(
                .unreachable, request.action, "\(address)", cause: transportCause(error), advice: transportAdvice(error)
            )
        }
    }

    /// The whole body, which is a small one; nil if it does not come in time.
    func smallBody(_ body: HTTPClientResponse.Body) async -> ByteBuffer? {
        await withTaskGroup(of: ByteBuffer?.self) { [time, timeouts] group in
            group.addTask { try? await body.collect(upTo: 1 << 20) }
            group.addTask {
                try? await time.sleep(timeouts.refusalBody)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    private func status(
        of response: HTTPClientResponse, to request: APIRequest
    ) async throws(KubernetesError) -> APIStatus {
        // What a proxy in between says may be anything; the head alone tells enough.
        let body = await smallBody(response.body)
        guard !Task.isCancelled else { throw .cancelled(request.action, url(0)) }
        let bytes = body.map { Array($0.readableBytesView) } ?? []
        let code = Int(response.status.code)
        let told = APIObjectReader(origin: "").status(bytes)
        var status =
            told ?? APIStatus(code: code, reason: response.status.reasonPhrase, message: firstWords(of: bytes))
        status.isForeign = told == nil
        if let after = response.headers.first(name: "retry-after").flatMap({ Int($0) }) {
            status.retryAfterSeconds = after
        }
        status.code = code
        return status
    }
}

extension TimeAmount {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

extension HTTPClient.Configuration {
    fileprivate static func forAPI(
        _ address: APIAddress, _ certificateName: String?, verifies: Bool, _ timeouts: Timeouts
    ) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.httpVersion = .http1Only
        // Credentials go nowhere but where they were configured to go.
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = TimeAmount(timeouts.connect)
        // Trying again is our own business: the next address may be better.
        configuration.connectionPool.retryConnectionEstablishment = false
        if let certificateName, address.scheme == "https" {
            configuration.dnsOverride = [certificateName: address.host]
        }
        let name = address.scheme == "https" && verifies ? ServerName(certificateName ?? address.host) : nil
        configuration.http1_1ConnectionDebugInitializer = { channel in
            // Before the first request, and so before any credential, is sent.
            guard let name else { return keepAlive(channel) }
            return keepAlive(channel).flatMap { name.check(channel) }
        }
        return configuration
    }
}

/// A peer that is gone without a word is found after a minute and a half.
private func keepAlive(_ channel: any Channel) -> EventLoopFuture<Void> {
    let options: [(ChannelOptions.Types.SocketOption, Int)] = [
        (ChannelOptions.Types.SocketOption(level: .socket, name: .so_keepalive), 1),
        (ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_KEEPIDLE)), 30),
        (ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_KEEPINTVL)), 15),
        (ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_KEEPCNT)), 4),
    ]
    return .andAllSucceed(options.map { channel.setOption($0, value: $1) }, on: channel.eventLoop)
}
