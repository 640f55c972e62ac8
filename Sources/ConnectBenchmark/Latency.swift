import Histogram

/// All samples of one path: a histogram of nanoseconds, and each round's own median and p90.
package struct PathSamples: Sendable {
    package let kind: ConnectPath.Kind
    /// Three significant digits, up to ten seconds.
    private(set) var histogram = Histogram<UInt64>(highestTrackableValue: 10_000_000_000)
    private(set) var medians: [Double] = []
    private(set) var nineties: [Double] = []

    init(_ kind: ConnectPath.Kind) { self.kind = kind }

    mutating func add(round samples: ArraySlice<UInt32>) {
        for sample in samples { histogram.record(UInt64(sample)) }
        let sorted = samples.map(Double.init).sorted()
        medians.append(Statistics.quantile(sorted: sorted, 0.5))
        nineties.append(Statistics.quantile(sorted: sorted, 0.9))
    }

    package var latency: Latency {
        Latency(
            p50: histogram.valueAtPercentile(50), p90: histogram.valueAtPercentile(90),
            p99: histogram.valueAtPercentile(99), p999: histogram.valueAtPercentile(99.9),
            connects: histogram.totalCount)
    }

    /// This path's cost against another's of the same rounds.
    package func ratio(to base: PathSamples, using generator: inout SeededGenerator) -> LatencyRatio {
        let p50 = zip(medians, base.medians).map { $0 / $1 }
        let p90 = zip(nineties, base.nineties).map { $0 / $1 }
        let p50Interval = Statistics.bootstrapMedian(p50, using: &generator)
        let p90Interval = Statistics.bootstrapMedian(p90, using: &generator)
        return LatencyRatio(
            p50: Statistics.median(p50), p50Low: p50Interval.lowerBound, p50High: p50Interval.upperBound,
            p90: Statistics.median(p90), p90Low: p90Interval.lowerBound, p90High: p90Interval.upperBound,
            p99: pooled(99, base), p999: pooled(99.9, base))
    }

    private func pooled(_ percentile: Double, _ base: PathSamples) -> Double {
        Double(histogram.valueAtPercentile(percentile)) / Double(max(base.histogram.valueAtPercentile(percentile), 1))
    }
}

/// Percentiles of connect(2), in nanoseconds.
package struct Latency: Codable, Sendable, Equatable {
    package let p50: UInt64
    package let p90: UInt64
    package let p99: UInt64
    package let p999: UInt64
    /// How many connects were measured.
    package let connects: UInt64
}

/// One path's latency divided by that of direct connects in the same rounds.
///
/// p50 and p90 are medians over rounds of the rounds' own ratios, with the 95 % confidence interval of that median;
/// p99 and p999 compare the pooled percentiles, since a round is too short to have them.
package struct LatencyRatio: Codable, Sendable, Equatable {
    package let p50: Double
    package let p50Low: Double
    package let p50High: Double
    package let p90: Double
    package let p90Low: Double
    package let p90High: Double
    package let p99: Double
    package let p999: Double
}
