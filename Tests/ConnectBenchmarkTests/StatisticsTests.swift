import Testing

@testable import ConnectBenchmark

@Suite("Statistics")
struct StatisticsTests {
    @Test(
        "quantiles interpolate between neighbours",
        arguments: [(0.0, 1.0), (0.5, 2.5), (0.25, 1.75), (1.0, 4.0)])
    func quantile(fraction: Double, expected: Double) {
        #expect(Statistics.quantile([4, 1, 3, 2], fraction) == expected)
    }

    @Test("nothing and one value have quantiles too")
    func degenerate() {
        #expect(Statistics.quantile([], 0.5) == 0)
        #expect(Statistics.quantile([7], 0.99) == 7)
    }

    @Test("the generator gives SplitMix64's published numbers")
    func generator() {
        var generator = SeededGenerator(seed: 1_234_567)
        #expect(generator.next() == 6_457_827_717_110_365_317)
        #expect(generator.next() == 3_203_168_211_198_807_973)
    }

    @Test("the interval covers the true median about nineteen times in twenty")
    func coverage() {
        var generator = SeededGenerator(seed: 42)
        let covered = (0..<60).count { _ in
            let sample = (0..<60).map { _ in Double.random(in: 0..<1, using: &generator) }
            return Statistics.bootstrapMedian(sample, resamples: 300, using: &generator).contains(0.5)
        }
        #expect((50...60).contains(covered))
    }

    @Test("the same seed gives the same interval")
    func reproducible() {
        let values = (0..<50).map { Double($0 * $0) }
        var first = SeededGenerator(seed: 9)
        var second = SeededGenerator(seed: 9)
        #expect(
            Statistics.bootstrapMedian(values, using: &first) == Statistics.bootstrapMedian(values, using: &second))
    }

    @Test("a constant has an interval without width")
    func constant() {
        var generator = SeededGenerator(seed: 1)
        #expect(Statistics.bootstrapMedian([3, 3, 3, 3], using: &generator) == 3...3)
    }
}

@Suite("Samples")
struct PathSamplesTests {
    private func samples(_ kind: ConnectPath.Kind, rounds: [[UInt32]]) -> PathSamples {
        var samples = PathSamples(kind)
        for round in rounds { samples.add(round: round[...]) }
        return samples
    }

    @Test("a disturbed round moves both paths and not their ratio")
    func pairedRounds() {
        let quiet: [UInt32] = Array(repeating: 20_000, count: 50)
        let direct = samples(.direct, rounds: [quiet, quiet.map { $0 * 10 }, quiet])
        let slower = [quiet, quiet.map { $0 * 10 }, quiet].map { $0.map { $0 + $0 / 10 } }
        var generator = SeededGenerator(seed: 1)
        let ratio = samples(.vip, rounds: slower).ratio(to: direct, using: &generator)
        #expect(abs(ratio.p50 - 1.1) < 1e-9)
        #expect(abs(ratio.p50Low - 1.1) < 1e-9 && abs(ratio.p50High - 1.1) < 1e-9)
    }

    @Test("percentiles come in order and within three digits")
    func percentiles() {
        let latency = samples(.direct, rounds: [Array(1...10_000)]).latency
        #expect(latency.connects == 10_000)
        for (found, exact) in [
            (latency.p50, 5_000.0), (latency.p90, 9_000), (latency.p99, 9_900), (latency.p999, 9_990),
        ] {
            #expect(abs(Double(found) - exact) / exact < 0.002)
        }
    }

    @Test("every path takes every place in turn")
    func order() {
        for count in 2...6 {
            let orders = (0..<2 * count).map { InterleavedRounds.order(of: count, round: $0) }
            for place in 0..<count {
                let counts = Dictionary(grouping: orders.map { $0[place] }, by: \.self).mapValues(\.count)
                #expect(counts == Dictionary(uniqueKeysWithValues: (0..<count).map { ($0, 2) }))
            }
        }
    }
}
