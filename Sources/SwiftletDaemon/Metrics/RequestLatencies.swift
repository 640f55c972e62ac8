import KubernetesAPI
import Observability
import Synchronization

/// How long API servers take to answer, as client-go tells it in `rest_client_request_duration_seconds`.
final class RequestLatencies: Sendable {
    struct Way: Hashable, Comparable, Sendable {
        var host: String
        var method: String

        static func < (one: Way, other: Way) -> Bool { (one.host, one.method) < (other.host, other.method) }
    }

    private let histograms = Mutex<[Way: Histogram]>([:])

    var all: [Way: Histogram] { histograms.withLock(\.self) }

    func observe(_ kind: RequestBoard.Kind, _ duration: Duration) {
        histograms.withLock {
            $0[Way(host: kind.host, method: kind.method), default: .requestDuration].observe(duration)
        }
    }
}
