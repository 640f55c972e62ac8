import Glibc
package import NetworkLab
import Synchronization

/// The pod's process: a thread that waits in accept(2) and closes what it gets.
///
/// A connect to a real listener pays for waking it up, so a queue without a waiting process would flatter every path and
/// make small differences look large.
package struct Acceptor: ~Copyable {
    /// A class because the thread and this owner share it.
    private final class Listener: Sendable {
        let socket: Socket
        let accepted = Atomic<Int>(0)

        init(_ socket: consuming Socket) { self.socket = socket }
    }

    private let listener: Listener
    private let thread: LabThread.Running
    private var expected = 0

    /// - Parameter socket: a listener that blocks.
    package init(_ socket: consuming Socket) throws(LabError) {
        let listener = Listener(socket)
        self.listener = listener
        thread = try LabThread.start {
            // It ends with the listener; a connection that the client reset meanwhile is no reason to.
            while true {
                do { _ = try listener.socket.accept() } catch { return }
                listener.accepted.wrappingAdd(1, ordering: .relaxed)
            }
        }
    }

    /// Waits until one more connection is accepted, so that every connect finds the thread asleep: it would otherwise
    /// sometimes pay for waking it and sometimes not.
    mutating func settle() {
        expected += 1
        let deadline = MonotonicClock.now + 1_000_000
        while listener.accepted.load(ordering: .relaxed) < expected {
            sched_yield()
            guard MonotonicClock.now < deadline else {
                // One that got lost must not make all that follow wait.
                expected = listener.accepted.load(ordering: .relaxed)
                return
            }
        }
    }

    /// The thread's owner waits for it after this.
    deinit { listener.socket.stopListening() }
}
