import ArgumentParser
import Glibc
import NetworkLab

struct Stream: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send much over one TCP connection, and check what comes back.",
        discussion: """
            JSON: {"target", "result", "stage", "pod", "client", "bytes", "milliseconds"}; "bytes" came back as they were
            sent.

              swiftlet-lab stream 192.0.2.1:30080 --megabytes 64
            """)

    @OptionGroup var flow: FlowArguments

    @Option(help: "How much, at most 1024.")
    var megabytes = 64

    func validate() throws {
        if flow.udp || flow.mapped { throw ValidationError("a stream is TCP, without --mapped") }
        if !(1...1_024).contains(megabytes) { throw ValidationError("--megabytes is 1 to 1024") }
    }

    func run() throws {
        let start = MonotonicClock.now
        var echo = EchoedStream(total: megabytes << 20, timeout: flow.timeout)
        var attempt = Attempt()
        do {
            try echo.run(flow.options, &attempt)
        } catch {
            (attempt.result, attempt.stage) = (error.name, error.call)
        }
        let report = JSON.object([
            ("target", .string("\(flow.target)")), ("result", .string(attempt.result)),
            ("stage", .optional(attempt.stage)), ("pod", .optional(attempt.pod)),
            ("client", .optional(attempt.client)), ("bytes", .integer(echo.received)),
            ("milliseconds", .integer(Int((MonotonicClock.now - start) / 1_000_000))),
        ])
        Output.line(report.text)
        if attempt.result != "ok" { throw ExitCode.failure }
    }
}

/// One connection that writes a pattern and reads it back, both as fast as they go.
private struct EchoedStream {
    let total: Int
    let timeout: Int
    private(set) var received = 0
    private var sent = 0
    /// Long, and of a length that no segment size divides: a byte that is lost or doubled shows.
    private let pattern = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }

    init(total: Int, timeout: Int) {
        self.total = total
        self.timeout = timeout
    }

    mutating func run(_ options: FlowOptions, _ attempt: inout Attempt) throws(SocketError) {
        let socket = try Socket(.tcp, v4: options.target.isV4)
        try socket.setTimeout(milliseconds: timeout)
        if let source = options.source { try socket.bind(to: source) }
        try socket.connect(to: options.target)
        let words = try socket.receiveLine().split(separator: " ").map(String.init)
        (attempt.pod, attempt.client) = (words.first, words.last)
        while received < total {
            var request = pollfd(
                fd: socket.rawValue, events: Int16(sent < total ? POLLIN | POLLOUT : POLLIN), revents: 0)
            let count = poll(&request, 1, CInt(timeout))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw SocketError("poll", count == 0 ? ETIMEDOUT : errno) }
            if request.revents & Int16(POLLIN | POLLERR | POLLHUP) != 0 { try read(socket) }
            if request.revents & Int16(POLLOUT) != 0 { try write(socket) }
        }
        try socket.resetOnClose()
    }

    private mutating func write(_ socket: borrowing Socket) throws(SocketError) {
        let start = sent % pattern.count
        let length = min(pattern.count - start, total - sent)
        let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
        let count = pattern.withUnsafeBytes { send(socket.rawValue, $0.baseAddress.map { $0 + start }, length, flags) }
        if count < 0 && errno == EAGAIN { return }
        guard count > 0 else { throw SocketError("send", errno) }
        sent += count
    }

    private mutating func read(_ socket: borrowing Socket) throws(SocketError) {
        let bytes = try socket.receive(upTo: 65_536).bytes
        guard !bytes.isEmpty else { throw SocketError("receive", ECONNRESET) }
        var checked = 0
        while checked < bytes.count {
            let start = received % pattern.count
            let length = min(pattern.count - start, bytes.count - checked)
            guard Self.areEqual(bytes, checked, pattern, start, length) else { throw SocketError("receive", EBADMSG) }
            checked += length
            received += length
        }
    }

    /// A loop over slices would be what takes the time.
    private static func areEqual(
        _ left: [UInt8], _ leftStart: Int, _ right: [UInt8], _ rightStart: Int, _ length: Int
    ) -> Bool {
        left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return false }
                return memcmp(left + leftStart, right + rightStart, length) == 0
            }
        }
    }
}
