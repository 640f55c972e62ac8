import NIOCore
import NIOHTTP1
import Synchronization

/// The answer to one request, with what is to go wrong with it.
struct Answer {
    let server: LabAPIServer
    let request: RecordedRequest
    private let channel: any Channel

    /// The connection is closed: the client does not get the rest.
    struct Closed: Error {}

    init(_ server: LabAPIServer, _ channel: any Channel, _ request: RecordedRequest) {
        self.server = server
        self.channel = channel
        self.request = request
    }

    func run() async {
        server.note(request)
        let faults = server.takeFaults(for: request.pattern)
        do {
            if try await refuse(faults) { return }
            switch request.verb {
            case .create: try await create()
            case .list, .page: try await list(faults)
            case .watch: try await watch(faults)
            }
        } catch {
            // A client that went away, or a fault that closed the connection.
            try? await channel.close()
        }
    }

    private func refuse(_ faults: [Fault]) async throws -> Bool {
        let options = server.state.withLock { $0.options }
        if let tokens = options.tokens, !tokens.contains(where: { request.authorization == "Bearer \($0)" }) {
            try await send(status: 401, reason: "Unauthorized", message: "Unauthorized")
            return true
        }
        for fault in faults {
            switch fault {
            case .status(let code, let reason, let message, let retryAfter):
                try await send(status: code, reason: reason, message: message, retryAfter: retryAfter)
            case .body(let code, let text): try await send(code, Array(text.utf8))
            case .close: throw Closed()
            case .stall: try await Task.sleep(for: .seconds(3600))
            case .stalledBody(let code):
                try await sendHead(code)
                try await sendPiece(Array("{".utf8))
                try await Task.sleep(for: .seconds(3600))
            case .drips, .pieces, .merged, .breaks, .reversed, .endless: continue
            }
            return true
        }
        return false
    }

    private func create() async throws {
        guard let object = try? JSON(parsing: String(decoding: request.body, as: UTF8.self)),
            let stored = StoredObject(object)
        else { return try await send(status: 400, reason: "BadRequest", message: "no object") }
        guard !server.store.objects(stored.resource).contains(where: { $0.key == stored.key }) else {
            return try await send(status: 409, reason: "AlreadyExists", message: "\(stored.name) already exists")
        }
        server.store.put(object)
        try await send(201, request.body)
    }

    // MARK: Sending

    func sendHead(_ code: Int, _ headers: HTTPHeaders = ["content-type": "application/json"]) async throws {
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: code), headers: headers)
        try await channel.writeAndFlush(HTTPServerResponsePart.head(head)).get()
    }

    func sendPiece(_ bytes: some Collection<UInt8>) async throws {
        try await channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: bytes)))).get()
    }

    func sendEnd() async throws {
        try await channel.writeAndFlush(HTTPServerResponsePart.end(nil)).get()
    }

    func close() async throws {
        try await channel.close()
        throw Closed()
    }

    func send(_ code: Int, _ bytes: [UInt8], _ faults: [Fault] = [], headers: HTTPHeaders = [:]) async throws {
        var headers = headers
        headers.add(name: "content-type", value: "application/json")
        try await sendHead(code, headers)
        var pieces = Pieces(faults)
        for piece in pieces.cut(bytes) {
            try await sendPiece(piece)
            for case .drips(let pause) in faults { try await Task.sleep(for: pause) }
        }
        try await sendEnd()
    }

    func send(status code: Int, reason: String, message: String = "", retryAfter: Int? = nil) async throws {
        var headers = HTTPHeaders()
        if let retryAfter { headers.add(name: "retry-after", value: "\(retryAfter)") }
        try await send(code, Self.status(code, reason, message).bytes, headers: headers)
    }

    static func status(_ code: Int, _ reason: String, _ message: String) -> JSON {
        [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure", "message": .text(message),
            "reason": .text(reason), "code": .number(Double(code)),
        ]
    }
}

/// Cuts what is sent into the sizes that a fault asks for.
struct Pieces {
    private let sizes: [Int]
    private var next = 0

    init(_ faults: [Fault]) {
        var sizes: [Int] = []
        for case .pieces(let wanted) in faults { sizes = wanted }
        for case .drips in faults { sizes = [1] }
        self.sizes = sizes
    }

    mutating func cut(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        guard !sizes.isEmpty else { return [bytes[...]] }
        var pieces: [ArraySlice<UInt8>] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + sizes[next % sizes.count])
            next += 1
            pieces.append(bytes[start..<end])
            start = end
        }
        return pieces
    }
}
