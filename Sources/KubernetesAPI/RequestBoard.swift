import Synchronization

/// Requests to API servers, and what came of them, as client-go counts them in `rest_client_requests_total`.
package final class RequestBoard: Sendable {
    package struct Kind: Sendable, Hashable, Comparable {
        /// Of the answer; `<error>` where none came.
        package var code: String
        package var method: String
        /// With the port: `10.0.0.1:6443`.
        package var host: String

        package init(code: String, method: String, host: String) {
            self.code = code
            self.method = method
            self.host = host
        }

        package static func < (one: Kind, other: Kind) -> Bool {
            (one.host, one.method, one.code) < (other.host, other.method, other.code)
        }
    }

    private let counts = Mutex<[Kind: UInt64]>([:])
    private let observe: @Sendable (Kind, Duration) -> Void

    /// - Parameter observe: is told of each request how long it took until the head of its answer, or its failure.
    package init(observe: @escaping @Sendable (Kind, Duration) -> Void = { _, _ in }) { self.observe = observe }

    package var all: [Kind: UInt64] { counts.withLock(\.self) }

    package func count(_ kind: Kind, took duration: Duration) {
        counts.withLock { $0[kind, default: 0] += 1 }
        observe(kind, duration)
    }
}
