import Glibc
import NIOCore
import NIOPosix
import SystemCalls
import SystemPackage

/// One address on which requests are answered.
struct HTTPListener: Sendable {
    let address: ListenAddress
    private let service: HTTPService

    init(
        address: ListenAddress, limits: HTTPService.Limits = .init(),
        answer: @escaping @Sendable (EndpointRequest) async -> EndpointAnswer
    ) {
        self.address = address
        service = HTTPService(limits: limits, answer: answer)
    }

    /// Answers until the task is cancelled.
    /// - Parameter onListening: called with the port as soon as the address is bound.
    func run(onListening: @Sendable (UInt16) -> Void) async throws(ListenError) {
        let server = try await bound()
        onListening(UInt16(server.localAddress?.port ?? Int(address.port)))
        await HTTPService.serve(on: server)
    }

    private func bound() async throws(ListenError) -> any Channel {
        guard address.isUnspecified else { return try await bound(host: address.host) }
        // One socket for both families, as kube-proxy has it, unless the kernel was started without IPv6.
        do throws(ListenError) {
            return try await bound(host: "::")
        } catch  where error.code == EAFNOSUPPORT {
            return try await bound(host: "0.0.0.0")
        }
    }

    private func bound(host: String) async throws(ListenError) -> any Channel {
        var bootstrap = service.bootstrap().serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        if address.isUnspecified, host.contains(":") {
            let onlyIPv6 = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)
            bootstrap = bootstrap.serverChannelOption(onlyIPv6, value: 0)
        }
        do {
            return try await bootstrap.bind(to: try SocketAddress(ipAddress: host, port: Int(address.port))).get()
        } catch {
            throw ListenError(address, error)
        }
    }
}

/// An address that could not be bound.
struct ListenError: Error, Sendable {
    let address: ListenAddress
    /// The kernel's number; 0 if it was not the kernel that refused.
    let code: CInt
    let cause: String

    init(_ address: ListenAddress, _ error: any Error) {
        self.address = address
        let refused = error as? IOError
        code = refused?.errnoCode ?? 0
        cause = refused.map { Errno(rawValue: $0.errnoCode).plainText } ?? "\(error)".uncapitalized
    }

    /// What happened, with the process that has the port if there is one.
    func explained() async -> String {
        guard code == EADDRINUSE else { return cause }
        let finding = (try? await NIOThreadPool.singleton.runIfActive { PortHolder.find(address) }) ?? .nobody
        return switch finding {
        case .process(let holder): "address already in use by \(holder)"
        case .outOfSight: "address already in use by \(UnseenHolder.text)"
        case .nobody: "address already in use"
        }
    }
}
