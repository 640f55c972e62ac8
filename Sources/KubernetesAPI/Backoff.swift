/// How long to wait after each failure in a row: twice as long as before at most, and anything shorter by chance, so that
/// the nodes of a cluster do not come back all at once.
struct Backoff: Sendable, Hashable {
    static let first = Duration.milliseconds(200)
    static let longest = Duration.seconds(30)

    private(set) var failures = 0

    mutating func reset() { failures = 0 }

    /// The wait after one more failure.
    mutating func next(_ chance: () -> Double) -> Duration {
        let ceiling = min(Self.first * (1 << min(failures, 10)), Self.longest)
        failures += 1
        return ceiling * chance()
    }
}
