/// Results for several numbers of services as one SVG: above the latency, below what it is of a direct connect's.
package struct BenchmarkPlot {
    private let results: [BenchmarkResult]

    /// - Parameter results: in the order of their columns, each with its number of services.
    package init(_ results: [BenchmarkResult]) { self.results = results }

    /// One line of the plot.
    struct Series: Equatable {
        let name: String
        let color: String
        let latency: [Double?]
        let ratio: [Double?]
        /// The confidence interval of the ratio.
        let interval: [ClosedRange<Double>?]
    }

    private static let width = 760.0
    private static let left = 80.0
    private static let right = 590.0
    private static let upper = PlotPanel(top: 88, bottom: 280)
    private static let lower = PlotPanel(top: 340, bottom: 530)
    /// Ratios from here on do not stretch the picture: small ones are what it is for.
    private static let highestRatio = 2.0

    package var svg: String {
        let series = series
        let latency = PlotScale(series.flatMap { $0.latency.compactMap(\.self) }, from: 0)
        let ratios = series.flatMap { $0.ratio.compactMap(\.self) + $0.interval.compactMap { $0?.upperBound } }
        let ratio = PlotScale(ratios.filter { $0 < Self.highestRatio } + [1], from: nil)
        var elements = heading
        elements += axes(Self.upper, latency, title: "connect(2), median, µs", digits: 0)
        elements += axes(Self.lower, ratio, title: "÷ a direct connect", digits: ratio.step < 0.1 ? 2 : 1)
        elements += columnLabels
        for (index, line) in series.enumerated() {
            elements += curve(line.latency, line.color, Self.upper, latency)
            elements += curve(line.ratio, line.color, Self.lower, ratio)
            elements += whiskers(line, ratio)
            elements += beyond(line, ratio)
            elements += legend(line, index)
        }
        return elements.joined(separator: "\n") + "\n</svg>\n"
    }

    var series: [Series] {
        let names = Set(results.flatMap(\.against.keys)).sorted(by: >)
        let filters = zip(names, ["#d1242f", "#9a6700", "#57606a"]).map { name, color in
            line("kube-proxy, \(name)", color, { $0.against[name]?.latency }, { $0.against[name]?.ratio })
        }
        return [
            line("direct", "#57606a", { $0.direct }, { _ in nil }),
            line("swiftlet, one VIP", "#0969da", { $0.vip }, { $0.ratio }),
            line("swiftlet, random VIPs", "#8250df", { $0.random?.latency }, { $0.random?.ratio }),
        ].filter { $0.latency.contains { $0 != nil } } + filters
    }

    private func line(
        _ name: String, _ color: String, _ latency: (BenchmarkResult) -> Latency?,
        _ ratio: (BenchmarkResult) -> LatencyRatio?
    ) -> Series {
        let ratios = results.map(ratio)
        return Series(
            name: name, color: color, latency: results.map { latency($0).map { Double($0.p50) / 1_000 } },
            ratio: ratios.map { $0?.p50 }, interval: ratios.map { $0.map { $0.p50Low...$0.p50High } })
    }

    // MARK: Elements

    private func x(_ column: Int) -> Double {
        let step = (Self.right - Self.left) / Double(max(results.count, 1))
        return Self.left + step * (Double(column) + 0.5)
    }

    private var heading: [String] {
        let machine = results.first?.machine
        let place = machine.map { "kernel \($0.kernel), \($0.processors) × \($0.processor)" } ?? ""
        return [
            ##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \##(Int(Self.width)) 590" "##
                + ##"font-family="system-ui, sans-serif" font-size="13" fill="#24292f">"##,
            ##"<rect width="\##(Int(Self.width))" height="590" fill="#ffffff"/>"##,
            text("What a TCP connect to a Service costs", 20, 28, size: 17),
            text(place, 20, 48, color: "#57606a"),
        ]
    }

    private func axes(_ panel: PlotPanel, _ scale: PlotScale, title: String, digits: Int) -> [String] {
        var elements = [text(title, Self.left, panel.top - 8, color: "#57606a")]
        for tick in scale.ticks {
            let y = panel.y(tick, scale)
            elements.append(stroke(Self.left, y, Self.right, y, "#d0d7de"))
            elements.append(text(Format.fixed(tick, digits), Self.left - 8, y + 4, anchor: "end"))
        }
        return elements + [stroke(Self.left, panel.bottom, Self.right, panel.bottom, "#24292f")]
    }

    private var columnLabels: [String] {
        results.enumerated().flatMap { column, result in
            let label = result.services.map(Format.count) ?? "?"
            return [Self.upper, Self.lower].map { text(label, x(column), $0.bottom + 20, anchor: "middle") }
        } + [text("services", (Self.left + Self.right) / 2, Self.lower.bottom + 42, anchor: "middle")]
    }

    private func curve(_ values: [Double?], _ color: String, _ panel: PlotPanel, _ scale: PlotScale) -> [String] {
        let points = values.enumerated().compactMap { column, value in
            value.map { (x(column), panel.y($0, scale)) }
        }
        guard !points.isEmpty else { return [] }
        let path = points.map { "\(Format.fixed($0.0, 1)),\(Format.fixed($0.1, 1))" }.joined(separator: " ")
        return [#"<polyline points="\#(path)" fill="none" stroke="\#(color)" stroke-width="2"/>"#]
            + points.map {
                #"<circle cx="\#(Format.fixed($0.0, 1))" cy="\#(Format.fixed($0.1, 1))" r="3.5" fill="\#(color)"/>"#
            }
    }

    private func whiskers(_ line: Series, _ scale: PlotScale) -> [String] {
        line.interval.enumerated().compactMap { column, interval in
            interval.map {
                stroke(
                    x(column), Self.lower.y($0.lowerBound, scale), x(column), Self.lower.y($0.upperBound, scale),
                    line.color)
            }
        }
    }

    /// What is above the picture is written down there.
    private func beyond(_ line: Series, _ scale: PlotScale) -> [String] {
        line.ratio.enumerated().compactMap { column, value in
            guard let value, value > scale.high else { return nil }
            let label = "↑ " + Format.fixed(value, 1)
            return text(label, x(column), Self.lower.top - 6, anchor: "middle", color: line.color)
        }
    }

    private func legend(_ line: Series, _ index: Int) -> [String] {
        let y = Self.upper.top + 10 + 22 * Double(index)
        return [
            #"<rect x="\#(Self.right + 14)" y="\#(y - 9)" width="12" height="12" fill="\#(line.color)"/>"#,
            text(line.name, Self.right + 32, y + 2),
        ]
    }

    private func text(
        _ text: String, _ x: Double, _ y: Double, anchor: String = "start", size: Int = 13, color: String = "#24292f"
    ) -> String {
        let safe = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
        return #"<text x="\#(Format.fixed(x, 1))" y="\#(Format.fixed(y, 1))" text-anchor="\#(anchor)" "#
            + #"font-size="\#(size)" fill="\#(color)">\#(safe)</text>"#
    }

    private func stroke(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String) -> String {
        let points = [x1, y1, x2, y2].map { Format.fixed($0, 1) }
        return #"<line x1="\#(points[0])" y1="\#(points[1])" x2="\#(points[2])" y2="\#(points[3])" "#
            + #"stroke="\#(color)"/>"#
    }
}

/// Where one of the plot's two pictures is.
struct PlotPanel {
    let top: Double
    let bottom: Double

    func y(_ value: Double, _ scale: PlotScale) -> Double {
        let inside = min(max(value, scale.low), scale.high)
        return bottom - (inside - scale.low) / (scale.high - scale.low) * (bottom - top)
    }
}

/// A range with round ticks that holds all values.
struct PlotScale {
    let low: Double
    let high: Double
    let step: Double

    /// - Parameter start: where the axis begins; with the values if there is none.
    init(_ values: [Double], from start: Double?) {
        let least = start ?? (values.min() ?? 0)
        let most = max(values.max() ?? 1, least)
        let raw = max((most - least) / 5, 0.002)
        var power = 1.0
        while power > raw { power /= 10 }
        while power * 10 <= raw { power *= 10 }
        step = [1.0, 2, 5, 10].map { $0 * power }.first { $0 >= raw } ?? power * 10
        low = (least / step).rounded(.down) * step
        high = max((most / step).rounded(.up) * step, low + step)
    }

    var ticks: [Double] { (0...Int(((high - low) / step).rounded())).map { low + Double($0) * step } }
}
