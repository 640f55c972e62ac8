internal import BPFLoader
import SystemCalls
import SystemPackage

/// A thread that runs one closure and ends: what enters a network namespace cannot go back to a pool of threads.
///
/// It takes up every capability that is kept for such threads: nothing else in the process has those in effect.
enum OwnThread {
    /// Waits for the closure, which may block.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async throws(ThreadError) -> Value {
        let result: Result<Value, ThreadError> = await withCheckedContinuation { continuation in
            let refusal = DetachedThread.start {
                let reserved = ReservedCapabilities.takeUp()
                continuation.resume(returning: .success(body()))
                reserved.putBack()
            }
            if let refusal { continuation.resume(returning: .failure(ThreadError(cause: refusal))) }
        }
        return try result.get()
    }
}

/// No thread could be started.
struct ThreadError: Error, CustomStringConvertible {
    let cause: Errno

    var description: String { "cannot start a thread: \(cause.plainText); raise the limit of tasks" }
}
