import DatapathInstall
import Glibc
import Reporting
import ServiceModel

/// What the kernel's routes say of packets to an address: nothing is sent.
enum RouteTrial {
    /// `works`, or why there is no way.
    static func run(_ address: IPAddress, _ port: Port) -> ExplainFacts.Connect {
        connect(address, port) { _ in }
    }

    /// The source that they would have; nil: there is no way.
    static func source(to address: IPAddress, _ port: Port) -> IPAddress? {
        var source: IPAddress?
        _ = connect(address, port) { source = IPAddress(ofSocket: $0, address.family) }
        return source
    }

    private static func connect(
        _ address: IPAddress, _ port: Port, _ look: (Int32) -> Void
    ) -> ExplainFacts.Connect {
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family == .v4 ? AF_INET : AF_INET6, type, 0)
        guard descriptor >= 0 else { return .noRoute }
        defer { close(descriptor) }
        let error = address.withSocketAddress(port: port.number) {
            Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno
        }
        if error == 0 { look(descriptor) }
        return ExplainFacts.Connect(errno: error)
    }
}

/// One TCP connect that waits for a second at most.
enum ConnectTrial {
    static func run(_ address: IPAddress, _ port: Port) -> ExplainFacts.Connect {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family == .v4 ? AF_INET : AF_INET6, type, 0)
        guard descriptor >= 0 else { return .noRoute }
        defer { close(descriptor) }
        let error = address.withSocketAddress(port: port.number) {
            Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno
        }
        guard error == EINPROGRESS else { return ExplainFacts.Connect(errno: error) }
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&waiting, 1, 1000) > 0 else { return .timedOut }
        var pending: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &pending, &size)
        return ExplainFacts.Connect(errno: pending)
    }
}

extension ExplainFacts.Connect {
    /// What connect(2) said.
    fileprivate init(errno error: Int32) {
        self =
            switch error {
            case 0: .works
            case ECONNREFUSED: .refused
            case ENETUNREACH: .noRoute
            case EHOSTUNREACH: .unreachable
            // A rule of netfilter, as against a route of type prohibit.
            case EPERM: .notPermitted
            case EACCES: .prohibited
            case EINVAL: .blackholed
            case EADDRNOTAVAIL: .noClientPort
            default: .timedOut
            }
    }
}
