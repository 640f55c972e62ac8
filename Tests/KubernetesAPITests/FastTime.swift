import KubernetesAPI
import Synchronization

/// Time that passes ten times faster than on the wall, and remembers who slept.
final class FastTime: Sendable {
    static let speed = 10

    private let start = ContinuousClock.now
    private let slept = Mutex<[Duration]>([])
    private let chance: Double

    /// - Parameter chance: what every throw of the dice gives.
    init(chance: Double = 0.5) { self.chance = chance }

    /// How long anybody wanted to sleep, in order.
    var sleeps: [Duration] { slept.withLock { $0 } }

    var now: Duration { (ContinuousClock.now - start) * Self.speed }

    var keeper: Timekeeper {
        var keeper = Timekeeper(ContinuousClock(), wallClock: { 1_700_000_000 }, chance: { [chance] in chance })
        keeper.now = { self.now }
        keeper.sleep = { duration in
            self.slept.withLock { $0.append(duration) }
            try await ContinuousClock().sleep(for: duration / Self.speed)
        }
        return keeper
    }
}
