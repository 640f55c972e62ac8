package import DatapathInstall
package import FoundationEssentials
import Glibc
import Observability
import ServiceLifecycle
import SystemPackage

/// What the command line asks a running daemon.
package enum ControlRequest: String, Sendable {
    case status
    case services
    /// Tries now to listen where that was not possible, instead of after a pause; answered when it has been tried.
    case listen
}

/// Answers what the command line asks, over HTTP on a unix socket that only its owner and root may use.
struct ControlSocketService: Service {
    private let listener: UnixHTTPListener

    /// - Parameter respond: gives JSON.
    init(
        directory: RunDirectory, respond: @escaping @Sendable (ControlRequest) async -> Data
    ) throws(DaemonError) {
        do throws(UnixHTTPListener.Failure) {
            listener = try UnixHTTPListener(path: directory.socket.string) { path in
                guard let request = ControlRequest(rawValue: String(path.dropFirst())) else {
                    return EndpointAnswer(status: 404, .text, "there is no \(path)\n")
                }
                return EndpointAnswer(.json, String(decoding: await respond(request), as: UTF8.self))
            }
        } catch {
            throw DaemonError(
                "cannot listen on \(directory.socket): \(Errno(rawValue: error.errno)); check that /run is writable")
        }
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await listener.run() }
    }
}

/// Asks the daemon that runs on a bpf root; nil when none does or it does not answer in time.
package enum ControlClient {
    package static func ask(_ request: ControlRequest, at directory: RunDirectory) -> Data? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        let stream = UnixConnection(descriptor: descriptor)
        let status = withSocketAddress(directory.socket) { connect(descriptor, $0, $1) }
        guard status == 0 else { return nil }
        stream.write(
            Data("GET /\(request.rawValue) HTTP/1.1\r\nHost: swiftlet\r\nConnection: close\r\n\r\n".utf8))
        // Not to the end of the stream: a program that the daemon has started meanwhile may hold the connection.
        var answer = Data()
        while true {
            if let body = body(of: answer) { return body }
            guard stream.read(into: &answer) else { return nil }
        }
    }

    /// What a complete good answer says; nil if it is none.
    private static func body(of answer: Data) -> Data? {
        guard let head = answer.firstRange(of: Data("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: answer[..<head.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let length = lines.lazy.compactMap { line -> Int? in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "content-length" else { return nil }
            return Int(parts[1].drop { $0 == " " })
        }.first
        let body = answer[head.upperBound...]
        guard lines.first?.hasPrefix("HTTP/1.1 200") == true, body.count == length else { return nil }
        return Data(body)
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

    /// - Returns: false at the end, and when nothing came in time.
    func read(into data: inout Data) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            data.append(contentsOf: buffer[..<count])
            return true
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
