import Glibc
import NetworkLab

/// What one attempt to reach a pod came to.
struct Attempt {
    /// `ok`, or the kernel's error name.
    var result = "ok"
    /// The call that failed.
    var stage: String?
    var pod: String?
    /// What getpeername says.
    var peer: String?
    /// What recvfrom shows as the sender (UDP).
    var source: String?
    /// This end, as the socket sees it.
    var local: String?
    /// This end, as the pod sees it.
    var client: String?
    var microseconds = 0

    var json: JSON {
        .object([
            ("result", .string(result)), ("stage", .optional(stage)), ("pod", .optional(pod)),
            ("peer", .optional(peer)), ("source", .optional(source)), ("local", .optional(local)),
            ("client", .optional(client)), ("microseconds", .integer(microseconds)),
        ])
    }

    var text: String {
        let shown = [
            pod, peer.map { "peer \($0)" }, source.map { "source \($0)" }, stage.map { "\(result) at \($0)" },
            "\(microseconds) µs",
        ]
        return shown.compactMap { $0 }.joined(separator: "  ")
    }
}

/// How a flow is made.
struct FlowOptions {
    var target: SocketAddress
    var kind = Socket.Kind.tcp
    /// UDP: connect(2) first, or name the address with each datagram.
    var connected = true
    /// Reach an IPv4 address through an IPv6 socket.
    var mapped = false
    var source: SocketAddress?
    var timeout = 1_000

    var address: SocketAddress { mapped ? target.mapped : target }
}

/// A socket that talks to one address: a TCP connection, or UDP datagrams from one socket.
///
/// A class because arrays cannot hold noncopyable values.
final class Flow {
    let options: FlowOptions
    private let socket: Socket
    private var pod: String?
    private var client: String?

    init(_ options: FlowOptions) throws(SocketError) {
        self.options = options
        socket = try Socket(options.kind, v4: options.address.isV4)
        try socket.setTimeout(milliseconds: options.timeout)
        if let source = options.source {
            // One port may be used to different addresses at once.
            if source.port != 0 { try socket.setOption(SOL_SOCKET, SO_REUSEADDR, 1) }
            try socket.bind(to: options.mapped ? source.mapped : source)
        }
    }

    private var isConnected: Bool { options.kind == .tcp || options.connected }

    /// Opens the flow: connects, and reads the pod's greeting. The time is that of connect(2) alone.
    func open() -> Attempt {
        attempt { result throws(SocketError) in
            guard isConnected else { return }
            let start = MonotonicClock.now
            defer { result.microseconds = Int(MonotonicClock.now - start) / 1_000 }
            try socket.connect(to: options.address)
            result.microseconds = Int(MonotonicClock.now - start) / 1_000
        } then: { () throws(SocketError) in
            if options.kind == .tcp { try greet() }
        }
    }

    /// Sends the payload and waits for its answer. The time is that of the round trip.
    ///
    /// - Parameter unanswered: payloads sent before on this socket; answers that come late are passed over.
    func exchange(_ payload: String, passingOver unanswered: Set<String> = []) -> Attempt {
        attempt { result throws(SocketError) in
            let start = MonotonicClock.now
            defer { result.microseconds = Int(MonotonicClock.now - start) / 1_000 }
            if options.kind == .tcp {
                try socket.send(Array("\(payload)\n".utf8))
                if try socket.receiveLine() != payload { throw SocketError("receive", EBADMSG) }
                return
            }
            try socket.send(Array(payload.utf8), to: isConnected ? nil : options.address)
            var words: [String] = []
            repeat {
                let (bytes, source) = try socket.receive(upTo: 65536)
                result.source = source?.description
                words = String(decoding: bytes, as: UTF8.self).split(separator: " ", maxSplits: 2).map(String.init)
            } while words.count == 3 && unanswered.contains(words[2])
            guard words.count == 3, words[2] == payload else { throw SocketError("receive", EBADMSG) }
            (pod, client) = (words[0], words[1])
        }
    }

    /// The names that the socket has now; an error when it has none.
    func names() -> Attempt {
        attempt { _ in }
    }

    /// One attempt of a client: a new TCP connection, or one datagram and its answer.
    static func reach(_ options: FlowOptions, payload: String = "hello") -> (flow: Flow?, attempt: Attempt) {
        do {
            let flow = try Flow(options)
            let opened = flow.open()
            guard options.kind == .udp, opened.result == "ok" else { return (flow, opened) }
            return (flow, flow.exchange(payload))
        } catch {
            return (nil, Attempt(result: error.name, stage: error.call))
        }
    }

    /// Waits for the pod to close its end, and says whether it did.
    func awaitEnd() -> Bool { (try? socket.receive().bytes.isEmpty) ?? false }

    /// Closes without leaving a port in TIME_WAIT.
    func reset() { try? socket.resetOnClose() }

    private func greet() throws(SocketError) {
        let words = try socket.receiveLine().split(separator: " ").map(String.init)
        pod = words.first
        client = words.last
    }

    private func attempt(
        _ body: (inout Attempt) throws(SocketError) -> Void,
        then rest: () throws(SocketError) -> Void = {}
    ) -> Attempt {
        var result = Attempt()
        do {
            try body(&result)
            try rest()
        } catch {
            result.result = error.name
            result.stage = error.call
        }
        result.pod = pod
        result.client = client
        result.local = (try? socket.localName())?.description
        result.peer = isConnected ? (try? socket.peerName())?.description : nil
        return result
    }
}
