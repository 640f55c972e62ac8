import Glibc
import SystemPackage
import SystemCalls

/// The network namespace of the calling thread.
package enum NetworkNamespace {
    /// SO_NETNS_COOKIE, which the C library's headers may lack.
    private static let cookieOption: Int32 = 71

    /// The number by which BPF programs know the namespace; nil on kernels before 5.14, which cannot tell.
    package static func cookie() throws(BPFError) -> UInt64? {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw BPFError(.read, "network namespace cookie", .last) }
        let socket = Descriptor(adopting: descriptor)
        var cookie: UInt64 = 0
        var length = socklen_t(MemoryLayout<UInt64>.size)
        let status = getsockopt(socket.rawValue, SOL_SOCKET, cookieOption, &cookie, &length)
        if status == 0 { return cookie }
        guard Errno.last == .protocolNotAvailable else { throw BPFError(.read, "network namespace cookie", .last) }
        return nil
    }
}
