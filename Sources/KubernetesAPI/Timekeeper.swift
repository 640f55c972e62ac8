/// Time and chance, which tests bring along.
package struct Timekeeper: Sendable {
    /// Since some moment in the past; never goes back.
    package var now: @Sendable () -> Duration
    package var sleep: @Sendable (Duration) async throws -> Void
    /// Seconds since 1970, for what the API dates.
    package var wallClock: @Sendable () -> Double
    /// Evenly from 0 up to, but not including, 1.
    package var chance: @Sendable () -> Double

    package init<C: Clock>(
        _ clock: C, wallClock: @escaping @Sendable () -> Double, chance: @escaping @Sendable () -> Double
    ) where C.Duration == Duration {
        let start = clock.now
        now = { start.duration(to: clock.now) }
        sleep = { try await clock.sleep(until: clock.now.advanced(by: $0), tolerance: nil) }
        self.wallClock = wallClock
        self.chance = chance
    }
}
