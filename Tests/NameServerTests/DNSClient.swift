import Glibc
import NIOCore
import Testing

@testable import DNSMessage
@testable import NameServer

/// A client of a name server on loopback, with sockets that block for a while.
final class DNSClient {
    enum Way { case datagram, stream }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
    }

    private let descriptor: Int32
    /// What must not go while there is a client.
    private let owner: AnyObject

    /// - Parameters:
    ///   - buffer: bytes that the kernel keeps for the client each way, about; nil: as many as usual.
    ///   - source: the client's own address.
    init(
        _ way: Way, to server: SocketAddress, of owner: AnyObject, buffer: Int32? = nil,
        from source: SocketAddress? = nil
    ) throws {
        self.owner = owner
        descriptor = socket(
            AF_INET,
            Int32(way == .datagram ? SOCK_DGRAM.rawValue : SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue),
            0)
        guard descriptor >= 0 else { throw Failure("socket") }
        if var size = buffer {
            for option in [SO_RCVBUF, SO_SNDBUF] {
                setsockopt(descriptor, SOL_SOCKET, option, &size, socklen_t(MemoryLayout<Int32>.size))
            }
        }
        wait(for: 20)
        if let source, source.withSockAddr({ bind(descriptor, $0, socklen_t($1)) }) != 0 { throw Failure("bind") }
        let status = server.withSockAddr { connect(descriptor, $0, socklen_t($1)) }
        guard status == 0 else { throw Failure("connect") }
    }

    deinit { close(descriptor) }

    /// How long a call waits, in seconds.
    func wait(for seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// - Returns: whether all was taken.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + sent }, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    func endWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// What comes next, at most so much; empty at the end of a connection.
    func receive(_ most: Int = 65_535) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: most)
        let count = recv(descriptor, &buffer, most, 0)
        // What was left unread makes an end a reset.
        if count < 0, errno == ECONNRESET { return [] }
        guard count >= 0 else { throw Failure("recv") }
        return Array(buffer.prefix(count))
    }

    /// The next message of a connection; nil at its end.
    func message() throws -> [UInt8]? {
        guard let head = try exactly(2) else { return nil }
        return try exactly(Int(head[0]) << 8 | Int(head[1]))
    }

    /// The next message of a connection, read.
    func answer() throws -> ForeignResponse {
        guard let bytes = try message(), let answer = ForeignResponse(bytes) else { throw NoAnswer() }
        return answer
    }

    struct NoAnswer: Error {}

    private func exactly(_ count: Int) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receive(count - bytes.count)
            if more.isEmpty { return nil }
            bytes += more
        }
        return bytes
    }

    static func query(_ name: String, _ type: RecordType = .a, id: UInt16, tail: [UInt8] = []) -> [UInt8] {
        var bytes = Query.message(for: Question(DomainName(name) ?? .root, type))
        (bytes[0], bytes[1]) = (id.high, id.low)
        if !tail.isEmpty { bytes[11] = 1 }
        return bytes + tail
    }

    /// With its length in front, as over TCP.
    static func framed(_ message: [UInt8]) -> [UInt8] {
        let length = UInt16(message.count)
        return [length.high, length.low] + message
    }

    static func id(_ message: [UInt8]) -> UInt16 { UInt16(message[0]) << 8 | UInt16(message[1]) }
}
