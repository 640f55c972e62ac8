import Glibc
import NIOCore
import NIOPosix

/// A unix socket on which requests are answered, for its owner alone.
///
/// It listens from the start: requests that come before it runs wait.
package final class UnixHTTPListener: Sendable {
    /// Why the socket cannot be made.
    package struct Failure: Error, Sendable {
        package var errno: Int32
    }

    package let path: String
    private let descriptor: Int32
    private let service: HTTPService

    /// - Parameters:
    ///   - path: what is there is replaced.
    ///   - answer: asked with the path of each GET and POST.
    package init(
        path: String, answer: @escaping @Sendable (String) async -> EndpointAnswer
    ) throws(Failure) {
        self.path = path
        service = HTTPService { request in await answer(request.path) }
        unlink(path)
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        descriptor = socket(AF_UNIX, Int32(kind), 0)
        // The mode of the socket is that of the file that it becomes.
        guard descriptor >= 0, fchmod(descriptor, 0o600) == 0, Self.bind(descriptor, path), listen(descriptor, 128) == 0
        else {
            let number = errno
            if descriptor >= 0 { close(descriptor) }
            throw Failure(errno: number)
        }
    }

    private static func bind(_ descriptor: Int32, _ path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            for (index, byte) in path.utf8.prefix(buffer.count - 1).enumerated() { buffer[index] = byte }
            return path.utf8.count < buffer.count
        }
        guard fits else {
            errno = ENAMETOOLONG
            return false
        }
        return withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    /// Answers until the task is cancelled, and removes the socket. To be called once.
    package func run() async throws {
        let server = try await service.bootstrap().withBoundSocket(descriptor).get()
        await HTTPService.serve(on: server)
        unlink(path)
    }
}
