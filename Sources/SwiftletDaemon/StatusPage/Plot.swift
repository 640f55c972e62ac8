/// A small plot of rates over time, as inline SVG.
struct Plot: Sendable {
    var title: String
    /// A second, evenly over time, the present last.
    var rates: [Double]
    /// How long all of them lasted.
    var seconds: Int
    /// Raised values are trouble.
    var isTrouble = false

    private static let (width, height) = (300.0, 56.0)

    var html: HTML {
        let highest = rates.max() ?? 0
        let now = rates.last ?? 0
        let tone = isTrouble && highest > 0 ? "plot bad" : "plot"
        let label = "\(title): now \(Self.text(now)), at most \(Self.text(highest)) a second in \(Self.span(seconds))"
        return """
            <figure class="\(tone)"><figcaption><b>\(Self.text(now))</b> \(title)/s</figcaption>
            <svg viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" preserveAspectRatio="none" role="img" aria-label="\(label)">\
            <title>\(label)</title>\(shapes(highest))</svg>
            <div class="axis"><span>\(Self.span(seconds)) ago</span><span class="most">max \(Self.text(highest))</span><span>now</span></div></figure>

            """
    }

    private func shapes(_ highest: Double) -> HTML {
        guard rates.count > 1 else { return "" }
        let step = Self.width / Double(rates.count - 1)
        let points = rates.enumerated().map { index, rate in
            let share = highest > 0 ? rate / highest : 0
            return "\(Self.coordinate(Double(index) * step)),\(Self.coordinate((1 - share) * (Self.height - 4) + 2))"
        }
        let line = points.joined(separator: " ")
        let (right, bottom) = (Self.coordinate(Self.width), Self.coordinate(Self.height))
        return """
            <polygon points="0,\(bottom) \(line) \(right),\(bottom)"/><polyline points="\(line)"/>
            """
    }

    private static func coordinate(_ value: Double) -> String { text(value) }

    /// `1,234`, and below 100 with a tenth that is not zero.
    static func text(_ value: Double) -> String {
        let tenths = Int64((value * 10).rounded())
        if tenths < 1_000, tenths % 10 != 0 { return "\(tenths / 10).\(tenths % 10)" }
        return "\(Int64(value.rounded()))"
    }

    /// `10 min`, `45 s`.
    static func span(_ seconds: Int) -> String { seconds < 120 ? "\(seconds) s" : "\(seconds / 60) min" }
}
