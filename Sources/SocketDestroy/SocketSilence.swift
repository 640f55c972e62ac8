import Glibc

/// Whether a connected UDP socket has heard anything from its peer.
///
/// The kernel notes with each datagram that a connected socket gets on which processor that was; until then it is none.
enum SocketSilence {
    private static let incomingProcessor: CInt = 49  // SO_INCOMING_CPU, which Glibc's module leaves out
    private static let none: CInt = -1

    /// From now on only what it hears then counts.
    static func begin(_ socket: CInt) {
        var processor = none
        setsockopt(socket, SOL_SOCKET, incomingProcessor, &processor, socklen_t(MemoryLayout<CInt>.size))
    }

    /// False, too, where the kernel does not tell, and for a socket that has heard another peer before it was connected here.
    static func lasts(_ socket: CInt) -> Bool {
        var (processor, size) = (CInt(0), socklen_t(MemoryLayout<CInt>.size))
        return getsockopt(socket, SOL_SOCKET, incomingProcessor, &processor, &size) == 0 && processor == none
    }
}
