import Glibc
import Synchronization

/// Outside the type: a signal handler is a C function, which captures nothing.
private let requested = Atomic<Bool>(false)

/// SIGINT and SIGTERM as a flag that loops look at.
///
/// A signal that ends the process would leave namespaces and cgroups behind: their owners must unwind. So long work
/// catches the signals, looks at the flag between steps, and throws or returns.
public enum Interruption {
    /// Whether somebody asked this process to end since `catchSignals()`.
    public static var isRequested: Bool { requested.load(ordering: .relaxed) }

    /// Takes over both signals for the rest of the process. Blocking calls return with EINTR.
    public static func catchSignals() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in requested.store(true, ordering: .relaxed) }
        sigaction(SIGINT, &action, nil)
        sigaction(SIGTERM, &action, nil)
    }
}
