import Dispatch
import Synchronization

/// Runs an asynchronous body to its end, while the calling thread waits: for `main`, which is not asynchronous.
func waiting<Value: Sendable>(for body: @escaping @Sendable () async throws -> Value) throws -> Value {
    let end = End<Value>()
    Task { end.reach(with: await Result(of: body)) }
    return try end.wait().get()
}

/// The end of a body, and what came of it. A class because two threads share it.
private final class End<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let isReached = DispatchSemaphore(value: 0)

    func reach(with result: Result<Value, any Error>) {
        self.result.withLock { $0 = result }
        isReached.signal()
    }

    func wait() -> Result<Value, any Error> {
        while true {
            isReached.wait()
            if let result = result.withLock({ $0 }) { return result }
        }
    }
}

extension Result where Failure == any Error, Success: Sendable {
    fileprivate init(of body: @Sendable () async throws -> Success) async {
        do {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}
