import Dispatch
public import FoundationEssentials
import Glibc
import ServiceLifecycle
import SystemPackage

/// What the command line asks a running daemon.
public enum ControlRequest: String, Sendable {
    case status
    case services
}

/// Answers `status` and `services` on a unix socket: a line with the request in, JSON out, and closed.
///
/// It listens from the start on: who asks before it runs waits in the backlog.
struct ControlSocketService: Service {
    private let listener: UnixListener
    private let respond: @Sendable (ControlRequest) async -> Data

    init(
        directory: RunDirectory, respond: @escaping @Sendable (ControlRequest) async -> Data
    ) throws(ConfigurationError) {
        listener = try UnixListener(path: directory.socket)
        self.respond = respond
    }

    func run() async throws {
        // Connections wait in the socket's backlog, so this stream stays short.
        let (connections, continuation) = AsyncStream.makeStream(
            of: Int32.self, bufferingPolicy: .bufferingOldest(64))
        let source = DispatchSource.makeReadSource(
            fileDescriptor: listener.descriptor, queue: DispatchQueue(label: "swiftlet.control"))
        source.setEventHandler { [descriptor = listener.descriptor] in
            let connection = accept(descriptor, nil, nil)
            guard connection >= 0 else { return }
            if case .enqueued = continuation.yield(connection) { return }
            close(connection)
        }
        source.resume()
        await withGracefulShutdownHandler {
            for await connection in connections {
                await answer(connection)
            }
        } onGracefulShutdown: {
            continuation.finish()
        }
        source.cancel()
        listener.remove()
    }

    private func answer(_ connection: Int32) async {
        let stream = UnixConnection(descriptor: connection)
        guard let request = stream.readLine().flatMap(ControlRequest.init(rawValue:)) else { return }
        stream.write(await respond(request))
    }
}

/// Asks the daemon that runs on a bpf root; nil when none does or it does not answer in time.
public enum ControlClient {
    public static func ask(_ request: ControlRequest, at directory: RunDirectory) -> Data? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        let stream = UnixConnection(descriptor: descriptor)
        let status = withSocketAddress(directory.socket) { connect(descriptor, $0, $1) }
        guard status == 0 else { return nil }
        stream.write(Data((request.rawValue + "\n").utf8))
        let answer = stream.readAll()
        return answer.isEmpty ? nil : answer
    }
}

/// A listening unix socket for root alone.
private struct UnixListener {
    let descriptor: Int32
    let path: FilePath

    init(path: FilePath) throws(ConfigurationError) {
        self.path = path
        // Whoever holds the instance lock owns the path: what is there is left over from a killed daemon.
        _ = path.withPlatformString { Glibc.unlink($0) }
        descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        let mask = umask(0o177)
        let status = withSocketAddress(path) { bind(descriptor, $0, $1) }
        umask(mask)
        guard status == 0, listen(descriptor, 16) == 0 else {
            let cause = Errno(rawValue: errno)
            close(descriptor)
            throw ConfigurationError("cannot listen on \(path): \(cause); check that /run is writable")
        }
    }

    func remove() {
        close(descriptor)
        _ = path.withPlatformString { Glibc.unlink($0) }
    }
}

/// The kernel's `struct timeval`. Which module owns the imported one depends on the order in which the compiler loads
/// modules, so that a new file elsewhere could break an import here.
private struct TimeLimit {
    var seconds: Int
    var microseconds = 0
}

/// A connected unix socket with a time-out of five seconds; closed when dropped.
private final class UnixConnection {
    private let descriptor: Int32

    init(descriptor: Int32) {
        self.descriptor = descriptor
        var limit = TimeLimit(seconds: 5)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<TimeLimit>.size))
        }
    }

    deinit { close(descriptor) }

    func readLine() -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.count < 256, read(descriptor, &byte, 1) == 1 {
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        return nil
    }

    func readAll() -> Data {
        var data = Data()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return data }
            data.append(contentsOf: buffer[..<count])
        }
    }

    func write(_ data: Data) {
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

/// The sockaddr_un of a path; one that is too long for it is cut, and then not found.
private func withSocketAddress(
    _ path: FilePath, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { buffer in
        for (index, byte) in path.string.utf8.prefix(buffer.count - 1).enumerated() { buffer[index] = byte }
    }
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}
