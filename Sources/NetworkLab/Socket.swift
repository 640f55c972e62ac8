import CNetworkLab
import Glibc

/// A socket call that failed: which one, and the kernel's number.
package struct SocketError: Error, Sendable, Hashable, CustomStringConvertible {
    /// `connect`, `bind`, `receive` …
    package let call: String
    package let number: CInt

    package init(_ call: String, _ number: CInt) {
        self.call = call
        self.number = number
    }

    /// `ECONNREFUSED`.
    package var name: String { ErrnoName.name(of: number) }

    package var description: String { "\(call): \(name)" }
}

/// Owner of a TCP or UDP socket.
package struct Socket: ~Copyable, Sendable {
    package enum Kind: Sendable {
        case tcp
        case udp
        case multipathTCP
    }

    private let descriptor: Descriptor
    package var rawValue: CInt { descriptor.rawValue }

    /// Takes ownership of a socket.
    package init(adopting raw: CInt) { descriptor = Descriptor(adopting: raw) }

    private static let multipathTCP: CInt = 262  // IPPROTO_MPTCP

    /// Opens a socket in the network namespace of the calling thread.
    package init(_ kind: Kind, v4: Bool, nonblocking: Bool = false) throws(SocketError) {
        let type = CInt(kind == .udp ? SOCK_DGRAM.rawValue : SOCK_STREAM.rawValue)
        let flags = CInt(SOCK_CLOEXEC.rawValue) | (nonblocking ? CInt(SOCK_NONBLOCK.rawValue) : 0)
        let raw = socket(v4 ? AF_INET : AF_INET6, type | flags, kind == .multipathTCP ? Self.multipathTCP : 0)
        guard raw >= 0 else { throw SocketError("socket", errno) }
        self.init(adopting: raw)
    }

    /// Opens a listener (TCP) or a bound socket (UDP). An IPv6 one answers IPv4 as well.
    package static func bound(
        _ kind: Kind, to address: SocketAddress, nonblocking: Bool = true, backlog: CInt = 4096
    ) throws(SocketError) -> Socket {
        let socket = try Socket(kind, v4: address.isV4, nonblocking: nonblocking)
        if kind != .udp { try socket.setOption(SOL_SOCKET, SO_REUSEADDR, 1) }
        if !address.isV4 { try socket.setOption(CInt(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        try socket.bind(to: address)
        if kind != .udp {
            guard listen(socket.rawValue, backlog) == 0 else { throw SocketError("listen", errno) }
        }
        return socket
    }

    package func setOption(_ level: CInt, _ option: CInt, _ value: CInt) throws(SocketError) {
        var value = value
        guard setsockopt(rawValue, level, option, &value, socklen_t(MemoryLayout<CInt>.size)) == 0 else {
            throw SocketError("setsockopt", errno)
        }
    }

    /// Closing resets the connection instead of leaving a port in TIME_WAIT for a minute.
    package func resetOnClose() throws(SocketError) {
        var lingering = linger(l_onoff: 1, l_linger: 0)
        guard setsockopt(rawValue, SOL_SOCKET, SO_LINGER, &lingering, socklen_t(MemoryLayout<linger>.size)) == 0 else {
            throw SocketError("setsockopt", errno)
        }
    }

    /// Bounds every blocking call: connect, send and receive.
    package func setTimeout(milliseconds: Int) throws(SocketError) {
        var time = timeval(tv_sec: milliseconds / 1_000, tv_usec: (milliseconds % 1_000) * 1_000)
        let length = socklen_t(MemoryLayout<timeval>.size)
        guard setsockopt(rawValue, SOL_SOCKET, SO_SNDTIMEO, &time, length) == 0,
            setsockopt(rawValue, SOL_SOCKET, SO_RCVTIMEO, &time, length) == 0
        else { throw SocketError("setsockopt", errno) }
    }

    package func bind(to address: SocketAddress) throws(SocketError) {
        let status = Self.with(address) { Glibc.bind(rawValue, $0, $1) }
        guard status == 0 else { throw SocketError("bind", errno) }
    }

    /// Binds the address now and leaves the port to connect(2), which can share it between destinations.
    package func bindSource(_ address: SocketAddress) throws(SocketError) {
        try setOption(CInt(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
        try bind(to: address)
    }

    /// Connects; a blocking socket whose time is over reports ETIMEDOUT, as the kernel's own limit does.
    package func connect(to address: SocketAddress) throws(SocketError) {
        let status = Self.with(address) { Glibc.connect(rawValue, $0, $1) }
        guard status == 0 else { throw SocketError("connect", errno == EINPROGRESS ? ETIMEDOUT : errno) }
    }

    /// Ends a listener for good: a thread that blocks in `accept()` gets EINVAL.
    package func stopListening() { shutdown(rawValue, CInt(SHUT_RDWR)) }

    /// The next connection of a listener, itself not blocking; `nil` when none waits at a listener that does not block.
    package func accept() throws(SocketError) -> Socket? {
        let flags = CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        while true {
            let raw = lab_accept4(rawValue, flags)
            if raw >= 0 { return Socket(adopting: raw) }
            switch errno {
            case EAGAIN: return nil
            case EINTR, ECONNABORTED: continue
            default: throw SocketError("accept", errno)
            }
        }
    }

    /// Sends to the connected peer, or to the given address.
    package func send(_ bytes: [UInt8], to address: SocketAddress? = nil) throws(SocketError) {
        let flags = CInt(MSG_NOSIGNAL)
        let count =
            if let address {
                Self.with(address) { sendto(rawValue, bytes, bytes.count, flags, $0, $1) }
            } else {
                Glibc.send(rawValue, bytes, bytes.count, flags)
            }
        guard count == bytes.count else { throw SocketError("send", count < 0 ? errno : EMSGSIZE) }
    }

    /// Receives, with the address that the kernel shows as the sender's; no bytes from TCP mean the end.
    package func receive(upTo limit: Int = 2048) throws(SocketError) -> (bytes: [UInt8], source: SocketAddress?) {
        var buffer = [UInt8](repeating: 0, count: limit)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = buffer.withUnsafeMutableBytes { bytes in
            Self.with(&storage) { recvfrom(rawValue, bytes.baseAddress, bytes.count, 0, $0, &length) }
        }
        guard count >= 0 else { throw SocketError("receive", errno == EAGAIN ? ETIMEDOUT : errno) }
        return (Array(buffer[..<count]), SocketAddress(storage))
    }

    /// Reads up to a line feed, which is left out; what comes after it in the same segment is an error of the caller.
    package func receiveLine() throws(SocketError) -> String {
        var line: [UInt8] = []
        while line.last != UInt8(ascii: "\n") {
            let bytes = try receive().bytes
            if bytes.isEmpty { throw SocketError("receive", ECONNRESET) }
            line += bytes
        }
        return String(decoding: line.dropLast(), as: UTF8.self)
    }

    /// What `getpeername(2)` says.
    package func peerName() throws(SocketError) -> SocketAddress {
        try name("getpeername") { getpeername(rawValue, $0, $1) }
    }

    /// What `getsockname(2)` says.
    package func localName() throws(SocketError) -> SocketAddress {
        try name("getsockname") { getsockname(rawValue, $0, $1) }
    }

    private func name(
        _ call: String, _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) throws(SocketError) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = Self.with(&storage) { body($0, &length) }
        guard status == 0 else { throw SocketError(call, errno) }
        guard let address = SocketAddress(storage) else { throw SocketError(call, EAFNOSUPPORT) }
        return address
    }

    private static func with<Value>(
        _ address: SocketAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
    ) -> Value {
        withUnsafePointer(to: address.storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, address.storageLength) }
        }
    }

    private static func with<Value>(
        _ storage: inout sockaddr_storage, _ body: (UnsafeMutablePointer<sockaddr>) -> Value
    ) -> Value {
        withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) }
        }
    }
}
