import Glibc
import NetworkLab
import Synchronization

/// What goes to and fro on a connection, as netperf calls it.
package enum Exchange: String, CaseIterable, Codable, Sendable {
    /// A byte there and a byte back, one at a time; the rate is of such pairs.
    case requestResponse = "TCP_RR"
    /// Many bytes to the backend, which says when it has them; the rate is of bytes.
    case stream = "TCP_STREAM"

    /// What the client sends before it waits for a byte.
    func requestSize(stream: Int) -> Int { self == .stream ? stream : 1 }

}

/// The backend's end of exchanges: a thread for each connection, which takes a request of a fixed size and answers it
/// with a byte.
///
/// The threads stay on the processor of the thread that made this: what is measured is the work, and not where the
/// scheduler puts it.
final class Responder {
    /// A class because the thread and this owner share it.
    private final class Connection: Sendable {
        let socket: Socket
        init(_ socket: consuming Socket) { self.socket = socket }
    }

    private final class Running {
        let thread: LabThread.Running
        init(_ thread: consuming LabThread.Running) { self.thread = thread }
    }

    private let listener: Socket
    private let requestSize: Int
    private var connections: [Connection] = []
    private var threads: [Running] = []

    /// - Parameter listener: one that blocks.
    init(_ listener: consuming Socket, requestSize: Int) {
        self.listener = listener
        self.requestSize = requestSize
    }

    /// Takes the connection that a client has just made.
    func accept() throws {
        guard let socket = try listener.accept() else { throw PacketBenchmarkError("no connection to accept") }
        try socket.setBlocking()
        try socket.setOption(CInt(IPPROTO_TCP), TCP_NODELAY, 1)
        let connection = Connection(socket)
        let size = requestSize
        connections.append(connection)
        threads.append(
            Running(
                try LabThread.start {
                    var buffer = [UInt8](repeating: 0, count: min(size, StreamedBytes.chunk))
                    // It ends with the connection.
                    while connection.socket.takeAll(size, &buffer), connection.socket.giveAll(1, buffer) {}
                }))
    }

    deinit {
        // The threads' owners wait for them after this.
        for connection in connections { shutdown(connection.socket.rawValue, CInt(SHUT_RDWR)) }
    }
}

enum StreamedBytes {
    static let chunk = 128 << 10
}

/// The client's end.
final class ExchangeClient {
    private let socket: Socket
    private let requestSize: Int
    private var buffer: [UInt8]

    init(_ socket: consuming Socket, requestSize: Int) throws {
        try socket.setOption(CInt(IPPROTO_TCP), TCP_NODELAY, 1)
        try socket.setTimeout(milliseconds: 20_000)
        self.socket = socket
        self.requestSize = requestSize
        buffer = [UInt8](repeating: 0, count: min(requestSize, StreamedBytes.chunk))
    }

    /// Makes so many exchanges; returns nanoseconds.
    func run(_ count: Int) throws -> UInt64 {
        let start = MonotonicClock.now
        for _ in 0..<count {
            guard socket.giveAll(requestSize, buffer), socket.takeAll(1, &buffer) else {
                if Interruption.isRequested { throw PacketBenchmarkError.interrupted }
                throw SocketError("exchange", errno)
            }
        }
        return MonotonicClock.now - start
    }
}

extension Socket {
    /// Makes calls wait again on a socket that did not.
    fileprivate func setBlocking() throws(SocketError) {
        guard fcntl(rawValue, F_SETFL, 0) == 0 else { throw SocketError("fcntl", errno) }
    }

    /// Reads so many bytes and forgets them; `false` at the end.
    fileprivate func takeAll(_ count: Int, _ buffer: inout [UInt8]) -> Bool {
        var left = count
        while left > 0 {
            let got = buffer.withUnsafeMutableBytes { recv(rawValue, $0.baseAddress, min(left, $0.count), 0) }
            guard got > 0 else { return false }
            left -= got
        }
        return true
    }

    /// Writes so many bytes, whatever they are; `false` when the peer takes no more.
    fileprivate func giveAll(_ count: Int, _ buffer: [UInt8]) -> Bool {
        var left = count
        while left > 0 {
            let sent = buffer.withUnsafeBytes {
                Glibc.send(rawValue, $0.baseAddress, min(left, $0.count), CInt(MSG_NOSIGNAL))
            }
            guard sent > 0 else { return false }
            left -= sent
        }
        return true
    }
}
