/// How many observations fell below each of some bounds, and their sum.
package struct Histogram: Sendable, Hashable {
    /// Upper bounds, ascending; what is above the last one counts in `+Inf` alone.
    package let bounds: [Double]
    /// Observations in each bucket alone, the one without an upper bound last.
    private var counts: [UInt64]
    package private(set) var sum = 0.0

    /// - Parameter bounds: upper bounds, ascending.
    package init(bounds: [Double]) {
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "the bounds of a histogram ascend")
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    package mutating func observe(_ value: Double) {
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }

    package mutating func observe(_ duration: Duration) { observe(duration / .seconds(1)) }

    package var count: UInt64 { counts.reduce(0, +) }

    /// Observations at or below each bound.
    package var cumulative: [UInt64] {
        var total: UInt64 = 0
        return counts.dropLast().map { count in
            total += count
            return total
        }
    }
}

extension Histogram {
    /// `count` bounds, each `factor` times the one before.
    package static func exponential(from first: Double, factor: Double, count: Int) -> Histogram {
        var bound = first
        return Histogram(
            bounds: (0..<count).map { _ in
                defer { bound *= factor }
                return bound
            })
    }

    /// As kube-proxy's durations of a sync: 1 ms to 16.384 s (spec 48).
    package static var syncDuration: Histogram { exponential(from: 0.001, factor: 2, count: 15) }

    /// As client-go's durations of requests: 5 ms to a minute.
    package static var requestDuration: Histogram {
        Histogram(bounds: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60])
    }

    /// As kube-proxy's time from a change to the data plane: 0.25 s to 5 min (spec 48).
    package static var networkProgramming: Histogram {
        let seconds = Array(stride(from: 1, through: 59, by: 1)) + Array(stride(from: 60, through: 115, by: 5))
        return Histogram(
            bounds: [0.25, 0.5] + (seconds + Array(stride(from: 120, through: 300, by: 30))).map(Double.init))
    }
}
