/// Merges a burst of changes: it ends when nothing came for a short while, or when it has lasted long enough.
///
/// A change must be in the maps 50 ms after the last write, whatever else is being written.
struct QuietPeriod {
    private let quiet: Duration
    private let longest: Duration
    private var first: ContinuousClock.Instant?
    private var last: ContinuousClock.Instant?

    init(quiet: Duration = .milliseconds(10), longest: Duration = .milliseconds(40)) {
        self.quiet = quiet
        self.longest = longest
    }

    mutating func noteChange(at now: ContinuousClock.Instant) {
        first = first ?? now
        last = now
    }

    /// When the burst ends; nil when there is none.
    var end: ContinuousClock.Instant? {
        guard let first, let last else { return nil }
        return min(last + quiet, first + longest)
    }

    mutating func reset() {
        first = nil
        last = nil
    }
}
