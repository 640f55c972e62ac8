/// Order statistics and their uncertainty.
package enum Statistics {
    /// The value below which the fraction lies, interpolated between neighbours; 0 of nothing.
    static func quantile(_ values: [Double], _ fraction: Double) -> Double {
        quantile(sorted: values.sorted(), fraction)
    }

    static func quantile(sorted: [Double], _ fraction: Double) -> Double {
        guard let last = sorted.last else { return 0 }
        let position = fraction * Double(sorted.count - 1)
        let below = Int(position)
        guard below + 1 < sorted.count else { return last }
        return sorted[below] + (sorted[below + 1] - sorted[below]) * (position - Double(below))
    }

    package static func median(_ values: [Double]) -> Double { quantile(values, 0.5) }

    /// The 95 % confidence interval of the median: the percentile bootstrap over rounds.
    ///
    /// Rounds are drawn again with replacement, because the samples of one round share its disturbances and single
    /// connects would make the interval too narrow.
    package static func bootstrapMedian(
        _ values: [Double], resamples: Int = 2_000, using generator: inout some RandomNumberGenerator
    ) -> ClosedRange<Double> {
        guard !values.isEmpty else { return 0...0 }
        var drawn = values
        let medians = (0..<resamples).map { _ in
            for index in drawn.indices { drawn[index] = values[Int.random(in: 0..<values.count, using: &generator)] }
            return median(drawn)
        }.sorted()
        return quantile(sorted: medians, 0.025)...quantile(sorted: medians, 0.975)
    }
}

/// SplitMix64: small, fast, and the same numbers for the same seed everywhere.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
