/// Which warnings become Events: not the same one again soon, and not many.
struct EventLimiter: Sendable {
    static let burst = 25
    private static let refill = Duration.seconds(5)
    private static let memory = Duration.seconds(600)

    private var tokens = EventLimiter.burst
    private var refilledAt = Duration.zero
    private var said: [ServiceWarning: Duration] = [:]

    /// Whether to write this one now; if so, it is taken note of.
    mutating func admit(_ warning: ServiceWarning, at now: Duration) -> Bool {
        if let before = said[warning], now - before < Self.memory { return false }
        refill(at: now)
        guard tokens > 0 else { return false }
        tokens -= 1
        // One entry for each that was written, so at most as many as the rate allows in that time.
        said = said.filter { now - $0.value < Self.memory }
        said[warning] = now
        return true
    }

    private mutating func refill(at now: Duration) {
        guard tokens < Self.burst else {
            refilledAt = now
            return
        }
        while now - refilledAt >= Self.refill, tokens < Self.burst {
            refilledAt += Self.refill
            tokens += 1
        }
    }
}
