import Foundation
import Histogram
import Testing

@testable import ConnectBenchmark

@Suite("How results are shown")
struct PresentationTests {
    private let machine = Machine(kernel: "6.1.0", processor: "A < B & C", processors: 2)

    private func latency(_ p50: UInt64) -> Latency {
        Latency(p50: p50, p90: p50 * 2, p99: p50 * 3, p999: p50 * 4, connects: 1_000)
    }

    private func ratio(_ p50: Double) -> LatencyRatio {
        LatencyRatio(
            p50: p50, p50Low: p50 - 0.01, p50High: p50 + 0.01, p90: p50, p90Low: p50, p90High: p50, p99: p50,
            p999: p50)
    }

    private func result(services: Int) -> BenchmarkResult {
        var result = BenchmarkResult(
            services: services, rounds: 10, machine: machine, direct: latency(17_600), vip: latency(17_750),
            ratio: ratio(1.009), control: ratio(1))
        result.against["nftables"] = .init(latency: latency(21_100), ratio: ratio(1.199), loadMilliseconds: 12)
        return result
    }

    @Test("JSON has direct, vip and ratio, each with four percentiles")
    func json() throws {
        let text = try result(services: 10).json()
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        for name in ["direct", "vip", "ratio"] {
            let fields = try #require(object?[name] as? [String: Any])
            for percentile in ["p50", "p90", "p99", "p999"] { #expect(fields[percentile] is NSNumber, "\(name)") }
        }
        #expect(object?["services"] as? Int == 10)
    }

    @Test("the table shows times, ratio and interval in columns")
    func table() {
        let text = BenchmarkText(BenchmarkReport(result: result(services: 1), samples: []), color: false).description
        #expect(
            text.contains(
                """
                connect(2)                p50      p90      p99    p99.9  ÷ direct  95 % interval
                direct                17.6 µs  35.2 µs  52.8 µs  70.4 µs
                swiftlet, one VIP     17.8 µs  35.5 µs  53.2 µs  71.0 µs     1.009  0.999 – 1.019
                kube-proxy, nftables  21.1 µs  42.2 µs  63.3 µs  84.4 µs     1.199  1.189 – 1.209
                """))
        #expect(text.hasPrefix("1 service, 10 rounds, 1000 connects each; kernel 6.1.0, 2 × A < B & C\n"))
    }

    @Test("blocks stand over their values, the fullest column is full")
    func blocks() {
        var histogram = Histogram<UInt64>(highestTrackableValue: 1_000_000)
        for _ in 0..<8 { histogram.record(105) }
        for _ in 0..<4 { histogram.record(135) }
        let axis = HistogramAxis(low: 100, high: 140, width: 4)
        #expect(axis.columns(histogram) == [8, 0, 0, 4])
        #expect(axis.blocks(histogram) == "█  ▄")
    }

    @Test(
        "scales have round steps and hold all values",
        arguments: [([0.0, 23.0], 0.0, 25.0, 5.0), ([0.998, 1.21], 0.95, 1.25, 0.05), ([1.0], 1.0, 1.002, 0.002)])
    func scale(values: [Double], low: Double, high: Double, step: Double) {
        let scale = PlotScale(values, from: values[0] == 0 ? 0 : nil)
        #expect(abs(scale.step - step) < 1e-9)
        #expect(abs(scale.low - low) < 1e-9 && abs(scale.high - high) < 1e-9)
    }

    @Test("the plot is well-formed XML with a line for each series and a label for each column")
    func plot() throws {
        let plot = BenchmarkPlot([1, 1_000, 10_000].map(result(services:)))
        #expect(plot.series.map(\.name) == ["direct", "swiftlet, one VIP", "kube-proxy, nftables"])
        let svg = plot.svg
        for label in [">1</text>", ">1,000</text>", ">10,000</text>", "A &lt; B &amp; C"] {
            #expect(svg.contains(label))
        }
        #expect(svg.components(separatedBy: "<polyline").count - 1 == 5)
        #expect(svg.hasSuffix("</svg>\n"))
    }
}
