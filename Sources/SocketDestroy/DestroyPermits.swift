/// How many sockets may be destroyed: so many a second, and no more at once than a second's worth.
package struct DestroyPermits: Sendable {
    private let rate: Int
    private var left: Double
    private var last: ContinuousClock.Instant

    package init(perSecond rate: Int, now: ContinuousClock.Instant = .now) {
        self.rate = rate
        left = Double(rate)
        last = now
    }

    /// What may be destroyed now.
    package mutating func available(at now: ContinuousClock.Instant = .now) -> Int {
        left = min(Double(rate), left + Double(rate) * ((now - last) / .seconds(1)))
        last = now
        return Int(left)
    }

    package mutating func use(_ count: Int) { left -= Double(count) }
}
