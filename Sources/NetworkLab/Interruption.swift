import Glibc
import Synchronization

/// Outside the type: a signal handler is a C function, which captures nothing.
private let requested = Atomic<Bool>(false)

/// SIGINT and SIGTERM as a flag that loops look at.
///
/// A signal that ends the process would leave namespaces and cgroups behind: their owners must unwind. So long work
/// catches the signals, looks at the flag between steps, and throws or returns.
package enum Interruption {
    /// Whether this process was asked to end while the signals were caught.
    package static var isRequested: Bool { requested.load(ordering: .relaxed) }

    /// Takes over both signals until the result goes; then they do again what they did before. Blocking calls return
    /// with EINTR.
    package static func catchSignals() -> Caught { Caught() }

    /// While it lives, the signals are a flag.
    package struct Caught: ~Copyable {
        private var interrupt = sigaction()
        private var terminate = sigaction()

        fileprivate init() {
            requested.store(false, ordering: .relaxed)
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { _ in requested.store(true, ordering: .relaxed) }
            sigaction(SIGINT, &action, &interrupt)
            sigaction(SIGTERM, &action, &terminate)
        }

        deinit {
            var (interrupt, terminate) = (interrupt, terminate)
            sigaction(SIGINT, &interrupt, nil)
            sigaction(SIGTERM, &terminate, nil)
        }
    }
}
