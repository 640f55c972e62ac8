/// Merges a burst of changes: it ends when nothing came for a short while, or when it has lasted long enough.
///
/// A change must be in the maps 50 ms after the last write, whatever else is being written.
struct QuietPeriod {
    static let quiet = Duration.milliseconds(10)
    static let longest = Duration.milliseconds(40)

    private var first: ContinuousClock.Instant?
    private var last: ContinuousClock.Instant?

    mutating func noteChange(at now: ContinuousClock.Instant) {
        first = first ?? now
        last = now
    }

    /// When the burst ends; nil when there is none.
    var end: ContinuousClock.Instant? {
        guard let first, let last else { return nil }
        return min(last + Self.quiet, first + Self.longest)
    }

    mutating func reset() {
        first = nil
        last = nil
    }
}
