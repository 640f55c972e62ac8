import Dispatch
import Glibc
import Logging

/// Ends the process when it has not ended by itself soon after it was told to: in the middle of a long list, or of a call
/// that waits.
///
/// What is written at any moment is whole for connects, and a start completes what an earlier process left.
struct StopDeadline: ~Copyable {
    private static let patience = DispatchTimeInterval.milliseconds(700)
    private let sources: [any DispatchSourceSignal]

    /// - Parameter exitCode: of a process that ends so.
    init(log: Logger, exitCode: Int32) {
        // A queue of its own: the threads that work may all be busy.
        let queue = DispatchQueue(label: "swiftlet.stop")
        sources = [SIGTERM, SIGINT].map { number in
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                queue.asyncAfter(deadline: .now() + Self.patience) {
                    log.notice("stopped in the middle of work; the datapath works on, and the next start completes it")
                    _exit(exitCode)
                }
            }
            source.resume()
            return source
        }
    }

    deinit { for source in sources { source.cancel() } }
}
