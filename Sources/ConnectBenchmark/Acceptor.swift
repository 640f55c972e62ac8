import NetworkLab

/// The pod's process: a thread that waits in accept(2) and closes what it gets.
///
/// A connect to a real listener pays for waking it up, so a queue that nobody waits at would flatter every path and
/// make small differences look large.
struct Acceptor: ~Copyable {
    /// A class because the thread and this owner share it.
    private final class Listener: Sendable {
        let socket: Socket
        init(_ socket: consuming Socket) { self.socket = socket }
    }

    private let listener: Listener
    private let thread: LabThread.Running

    /// - Parameter socket: a listener that blocks.
    init(_ socket: consuming Socket) throws(LabError) {
        let listener = Listener(socket)
        self.listener = listener
        thread = try LabThread.start {
            // It ends with the listener; a connection that the client reset meanwhile is no reason to.
            while true {
                do { _ = try listener.socket.accept() } catch { return }
            }
        }
    }

    /// The thread's owner waits for it after this.
    deinit { listener.socket.stopListening() }
}
