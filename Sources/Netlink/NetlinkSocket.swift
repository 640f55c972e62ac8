import CRtnetlink
import Glibc
package import SystemPackage

/// A conversation with the kernel about links, addresses, routes or sockets, in the network namespace of the thread that
/// opened it.
package struct NetlinkSocket: ~Copyable, Sendable {
    package let descriptor: Int32

    /// Longer than any message that the kernel writes: a dump's are 32 KiB at most.
    private static let bufferSize = 65_536
    /// The kernel answers while the request is sent; this is for a kernel that does not.
    private static let patience = timeval(tv_sec: 5, tv_usec: 0)

    /// - Parameters:
    ///   - groups: the RTMGRP_ masks of what is to be told without a request.
    ///   - protocol: whom to talk to, NETLINK_SOCK_DIAG about sockets.
    package init(groups: Int32 = 0, protocol: Int32 = NETLINK_ROUTE) throws(NetworkError) {
        let kind = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue)
        try self.init(adopting: socket(AF_NETLINK, kind, `protocol`), groups: groups)
    }

    /// Takes ownership of a socket: it speaks about the network namespace in which it was opened.
    package init(adopting opened: Int32, groups: Int32 = 0) throws(NetworkError) {
        descriptor = opened
        guard descriptor >= 0 else { throw NetworkError(.open, "a netlink socket") }
        var patience = Self.patience
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = UInt32(bitPattern: groups)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
            }
        }
        guard status == 0 else { throw NetworkError(.open, "a netlink socket") }
    }

    deinit { close(descriptor) }

    /// Sends a request and hands each answer to the closure, in order.
    ///
    /// - Returns: false when the answers do not belong together, since something changed meanwhile, or one was lost.
    /// - Throws: the kernel's refusal, with nothing more to come.
    package func ask(
        _ request: NetlinkRequest, for subject: @autoclosure () -> String,
        _ body: (NetlinkMessage) -> Void
    ) throws(NetworkError) -> Bool {
        let bytes = request.bytes
        guard send(descriptor, bytes, bytes.count, 0) == bytes.count else { throw NetworkError(.read, subject()) }
        var isWhole = true
        while true {
            let messages: [NetlinkMessage]
            switch receive() {
            case .success(let received): messages = received
            case .failure(.noBufferSpace):
                isWhole = false
                continue
            case .failure(let cause): throw NetworkError(.read, subject(), cause)
            }
            for message in messages {
                if message.isInterrupted { isWhole = false }
                switch message.kind {
                case .answer: body(message)
                case .end: return isWhole
                case .refusal(let cause): throw NetworkError(.read, subject(), cause)
                }
                if !message.isPartOfDump { return isWhole }
            }
        }
    }

    /// The messages of one datagram.
    ///
    /// - Parameter flags: MSG_DONTWAIT to hear only what has been said already.
    package func receive(flags: Int32 = 0) -> Result<[NetlinkMessage], Errno> {
        var size = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.bufferSize) { buffer, count in
            repeat {
                size = recv(descriptor, buffer.baseAddress, buffer.count, flags | Int32(MSG_TRUNC))
            } while size < 0 && errno == EINTR
            count = min(max(size, 0), buffer.count)
        }
        guard size >= 0 else { return .failure(Errno(rawValue: errno)) }
        // What did not fit is as lost as what the kernel had no room for.
        guard size <= Self.bufferSize else { return .failure(.noBufferSpace) }
        return .success(NetlinkMessage.all(in: bytes[...]))
    }
}
