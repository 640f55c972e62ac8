internal import CNamespaces
import Glibc
internal import SystemPackage

/// A connection between the daemon and the process that enters network namespaces for it: messages of `namespaces.h`.
struct LoanConnection: ~Copyable {
    private let socket: CInt

    init(adopting socket: CInt) { self.socket = socket }
    deinit { close(socket) }

    /// A message: a head, and what belongs to it.
    struct Message<Head: BitwiseCopyable> {
        var head: Head
        /// What follows the head.
        var rest: [UInt8] = []
        /// Owned by the holder of the message.
        var descriptor: FileDescriptor?
    }

    /// - Parameter descriptor: stays open here.
    func send<Head: BitwiseCopyable>(
        _ head: Head, _ rest: [UInt8] = [], descriptor: CInt = -1
    ) throws(Errno) {
        let bytes = withUnsafeBytes(of: head) { Array($0) } + rest
        let status = swl_message_send(socket, bytes, UInt(bytes.count), descriptor)
        guard status == 0 else { throw Errno(rawValue: -status) }
    }

    /// Nil when the other side has ended the conversation.
    func receive<Head: BitwiseCopyable>(_: Head.Type) throws(Errno) -> Message<Head>? {
        var bytes = [UInt8](repeating: 0, count: Int(SWL_LONGEST_MESSAGE))
        var number: CInt = -1
        let size = swl_message_receive(socket, &bytes, UInt(bytes.count), &number)
        let descriptor = number < 0 ? nil : FileDescriptor(rawValue: number)
        guard size != 0 else { return nil }
        guard size >= MemoryLayout<Head>.size else {
            try? descriptor?.close()
            throw size < 0 ? Errno(rawValue: CInt(-size)) : .invalidArgument
        }
        let head = bytes.withUnsafeBytes { $0.loadUnaligned(as: Head.self) }
        return Message(head: head, rest: Array(bytes[MemoryLayout<Head>.size..<size]), descriptor: descriptor)
    }

    /// A piece that says nothing for so long is gone.
    func limit(seconds: Int) {
        var limit = TimeLimit(seconds: seconds)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<TimeLimit>.size))
        }
    }

    /// Whether the process at the other end is of this user, or of root.
    var isOfOwnUser: Bool {
        let user = swl_peer_user(socket)
        return user == 0 || user == Int(geteuid())
    }

    /// The kernel's `struct timeval`.
    private struct TimeLimit {
        var seconds: Int
        var microseconds = 0
    }
}

extension Array where Element: BitwiseCopyable {
    /// As they lie in memory.
    var plainBytes: [UInt8] { withUnsafeBytes { Array<UInt8>($0) } }

    /// As many as are whole.
    init(plainBytes bytes: [UInt8]) {
        let size = MemoryLayout<Element>.stride
        self = bytes.withUnsafeBytes { raw in
            (0..<bytes.count / size).map { raw.loadUnaligned(fromByteOffset: $0 * size, as: Element.self) }
        }
    }
}

/// The address of a unix socket; nil if the path is too long for one.
func withUnixAddress(_ path: FilePath, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.string.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return -1 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
}
