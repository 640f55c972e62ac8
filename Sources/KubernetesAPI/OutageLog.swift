import Logging
import Synchronization

/// What the log says of an API server that cannot be followed: one warning, a reminder a minute, and a line with its length
/// when it is over. Shared by the followers of all resources, which lose it together.
final class OutageLog: Sendable {
    /// The shortest time between two warnings of one outage.
    static let pause = Duration.seconds(60)

    private struct State {
        /// Resources that are not followed now.
        var lost: Set<String> = []
        var since = Duration.zero
        /// When the last warning of this outage was; nil while there was none.
        var warnedAt: Duration?
    }

    private let state = Mutex(State())
    private let now: @Sendable () -> Duration
    private let log: Logger

    init(now: @escaping @Sendable () -> Duration, log: Logger) {
        self.now = now
        self.log = log
    }

    /// A list or a watch failed.
    ///
    /// - Parameter isMomentary: it is asked again at once, and what comes of that counts.
    func lose(_ resource: String, reason: String, isMomentary: Bool) {
        let now = now()
        let said: Duration?? = state.withLock { state in
            if state.lost.isEmpty { (state.since, state.warnedAt) = (now, nil) }
            state.lost.insert(resource)
            if isMomentary { return nil }
            guard let last = state.warnedAt else {
                state.warnedAt = now
                return .some(nil)
            }
            guard now - last >= Self.pause else { return nil }
            state.warnedAt = now
            return now - state.since
        }
        let metadata: Logger.Metadata = ["resource": "\(resource)", "reason": "\(reason)"]
        switch said {
        case nil:
            log.debug("a list or a watch ended; it is asked again", metadata: metadata)
        case .some(nil):
            log.warning("cannot follow the API server; Services stay as they are", metadata: metadata)
        case .some(let length?):
            log.warning(
                "still cannot follow the API server",
                metadata: metadata.merging(["for": "\(length.inSeconds)"]) { $1 })
        }
    }

    /// Whether a resource is not followed.
    func isLost(_ resource: String) -> Bool { state.withLock { $0.lost.contains(resource) } }

    /// A resource is followed again; the outage is over with the last one.
    func regain(_ resource: String) {
        let now = now()
        let length: Duration? = state.withLock { state in
            guard state.lost.remove(resource) != nil, state.lost.isEmpty, state.warnedAt != nil else { return nil }
            return now - state.since
        }
        guard let length else { return }
        log.notice("following the API server again", metadata: ["outage": "\(length.inSeconds)"])
    }
}

extension Duration {
    /// `75s`; below ten seconds with tenths.
    fileprivate var inSeconds: String {
        let tenths = Int64((self / .milliseconds(100)).rounded())
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10)s" : "\((tenths + 5) / 10)s"
    }
}
