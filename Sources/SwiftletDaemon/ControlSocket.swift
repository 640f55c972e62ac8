package import DatapathInstall
package import FoundationEssentials
import Glibc
import Observability
import ServiceLifecycle
import ServiceModel
import SystemPackage

/// What the command line asks a running daemon.
package enum ControlRequest: String, Sendable {
    case status
    case services
    /// What is compiled for.
    case node
    /// Tries now to listen where that was not possible, instead of after a pause; answered when it has been tried.
    case listen
    /// The settings in force, as a file that --config reads.
    case settings
    /// The last lines of the log.
    case log
}

/// Answers what the command line asks, over HTTP on a unix socket that only its owner and root may use.
struct ControlSocketService: ServiceLifecycle.Service {
    private let listener: UnixHTTPListener

    /// - Parameters:
    ///   - look: gives JSON for `/look/SUBJECT`, empty where nothing can be looked at.
    ///   - served: gives JSON for `/served/SUBJECT`, empty where nothing is known.
    ///   - probe: gives JSON for `/probe/ADDRESS`, empty where this process cannot probe.
    ///   - respond: gives JSON.
    init(
        directory: RunDirectory, look: @escaping @Sendable (String) async -> Data = { _ in Data() },
        served: @escaping @Sendable (String) async -> Data = { _ in Data() },
        probe: @escaping @Sendable (String) -> Data = { _ in Data() },
        respond: @escaping @Sendable (ControlRequest) async -> Data
    ) throws(DaemonError) {
        do throws(UnixHTTPListener.Failure) {
            listener = try UnixHTTPListener(path: directory.socket.string) { path in
                if path.hasPrefix(ControlClient.lookPrefix) {
                    let subject = String(path.dropFirst(ControlClient.lookPrefix.count))
                    return EndpointAnswer(.json, String(decoding: await look(subject), as: UTF8.self))
                }
                if path.hasPrefix(ControlClient.servedPrefix) {
                    let subject = String(path.dropFirst(ControlClient.servedPrefix.count))
                    return EndpointAnswer(.json, String(decoding: await served(subject), as: UTF8.self))
                }
                if path.hasPrefix(ControlClient.probePrefix) {
                    let address = String(path.dropFirst(ControlClient.probePrefix.count))
                    return EndpointAnswer(.json, String(decoding: probe(address), as: UTF8.self))
                }
                guard let request = ControlRequest(rawValue: String(path.dropFirst())) else {
                    return EndpointAnswer(status: 404, .text, "there is no \(path)\n")
                }
                return EndpointAnswer(.json, String(decoding: await respond(request), as: UTF8.self))
            }
        } catch {
            throw DaemonError(
                FailureCode(errno: error.errno, otherwise: .directoryUnusable),
                "cannot listen on \(directory.socket): \(Errno(rawValue: error.errno)); check that /run is writable")
        }
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await listener.run() }
    }
}

/// Asks the daemon that runs on a bpf root; nil when none does or it does not answer in time.
package enum ControlClient {
    /// - Parameter seconds: for connecting and for each piece of the answer.
    package static func ask(
        _ request: ControlRequest, at directory: RunDirectory, within seconds: Int = 5
    ) -> Data? {
        ask(path: "/\(request.rawValue)", at: directory, within: seconds)
    }

    static let lookPrefix = "/look/"
    static let servedPrefix = "/served/"
    static let probePrefix = "/probe/"

    /// Lets the daemon try whether the hooks refuse what they should; nil where it cannot.
    static func ask(probe vip: IPAddress, at directory: RunDirectory) -> HookProbe.Outcome? {
        ask(path: "\(probePrefix)\(vip)", at: directory, within: 5)
            .flatMap { try? ReportCoding.decoder().decode([HookProbe.Outcome].self, from: $0) }?.first
    }

    /// Asks for a close look at `NAMESPACE/NAME` or an address, for which the daemon asks the API server; `@NAMESPACE/POD` behind it
    /// names the client.
    package static func ask(look subject: String, at directory: RunDirectory) -> Data? {
        ask(path: lookPrefix + subject, at: directory, within: 30)
    }

    /// Asks what is served of the same subjects; nil where nothing is known yet.
    package static func ask(served subject: String, at directory: RunDirectory) -> ServedReport? {
        ask(path: servedPrefix + subject, at: directory, within: 30)
            .flatMap { try? ReportCoding.decoder().decode(ServedReport.self, from: $0) }
    }

    private static func ask(path: String, at directory: RunDirectory, within seconds: Int) -> Data? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        let stream = UnixConnection(descriptor: descriptor, seconds: seconds)
        let status = withSocketAddress(directory.socket) { connect(descriptor, $0, $1) }
        guard status == 0 else { return nil }
        stream.write(
            Data("GET \(path) HTTP/1.1\r\nHost: swiftlet\r\nConnection: close\r\n\r\n".utf8))
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

/// A unix socket with a time-out for each call; closed when dropped.
private final class UnixConnection {
    private let descriptor: Int32

    init(descriptor: Int32, seconds: Int) {
        self.descriptor = descriptor
        var limit = TimeLimit(seconds: seconds)
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
            if count < 0 && errno == EINTR { continue }
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
