import Testing

@testable import Observability

@Suite struct PrometheusTextTests {
    @Test("help and label values are escaped")
    func escapes() {
        let family = MetricFamily(
            .counter, "a_total", "One \\ and\ntwo \"quoted\".",
            [.init([.init("name", "a \"b\" \\ c\nd"), .init("other", "é")], .count(7))])
        #expect(
            PrometheusText.text(of: [family]) == #"""
                # HELP a_total One \\ and\ntwo "quoted".
                # TYPE a_total counter
                a_total{name="a \"b\" \\ c\nd",other="é"} 7

                """#)
    }

    @Test(
        "numbers are written as Prometheus reads them",
        arguments: [
            (MetricFamily.Value.number(0.25), "0.25"), (.number(16), "16"), (.number(.infinity), "+Inf"),
            (.number(-.infinity), "-Inf"), (.number(.nan), "NaN"), (.number(1e21), "1e+21"),
            (.count(.max), "18446744073709551615"),
        ])
    func numbers(value: MetricFamily.Value, text: String) {
        let family = MetricFamily(.gauge, "a", "A.", [.init([], value)])
        #expect(PrometheusText.text(of: [family]).hasSuffix("\na \(text)\n"))
    }

    @Test("a family without samples is left out")
    func empty() { #expect(PrometheusText.text(of: [MetricFamily(.gauge, "a", "A.")]) == "") }

    @Test("a histogram counts what is at or below each bound")
    func histogram() {
        var histogram = Histogram(bounds: [0.5, 1, 2])
        for value in [0.5, 0.75, 1.5, 3] { histogram.observe(value) }
        histogram.observe(.milliseconds(250))
        let family = MetricFamily(.histogram, "a_seconds", "A.", [.init([.init("x", "y")], .histogram(histogram))])
        #expect(
            PrometheusText.text(of: [family]) == """
                # HELP a_seconds A.
                # TYPE a_seconds histogram
                a_seconds_bucket{x="y",le="0.5"} 2
                a_seconds_bucket{x="y",le="1"} 3
                a_seconds_bucket{x="y",le="2"} 4
                a_seconds_bucket{x="y",le="+Inf"} 5
                a_seconds_sum{x="y"} 6
                a_seconds_count{x="y"} 5

                """)
    }

    @Test("the bounds are kube-proxy's")
    func bounds() {
        let sync = Histogram.syncDuration.bounds
        #expect(sync.count == 15 && sync.first == 0.001)
        #expect(zip(sync, sync.dropFirst()).allSatisfy { $1 == $0 * 2 })
        let programming = Histogram.networkProgramming.bounds
        #expect(programming.count == 2 + 59 + 12 + 7)
        #expect(programming.prefix(4) == [0.25, 0.5, 1, 2])
        #expect(programming.suffix(8) == [115, 120, 150, 180, 210, 240, 270, 300])
    }
}
