/// The text format of Prometheus, version 0.0.4.
package enum PrometheusText {
    package static func text(of families: [MetricFamily]) -> String {
        var text = ""
        for family in families where !family.samples.isEmpty {
            text += "# HELP \(family.name) \(escapedHelp(family.help))\n# TYPE \(family.name) \(family.kind.rawValue)\n"
            for sample in family.samples { write(sample, of: family.name, to: &text) }
        }
        return text
    }

    private static func write(_ sample: MetricFamily.Sample, of name: String, to text: inout String) {
        switch sample.value {
        case .count(let count): line(name, sample.labels, "\(count)", to: &text)
        case .number(let number): line(name, sample.labels, self.text(of: number), to: &text)
        case .histogram(let histogram):
            for (bound, count) in zip(histogram.bounds, histogram.cumulative) {
                let labels = sample.labels + [.init("le", self.text(of: bound))]
                line("\(name)_bucket", labels, "\(count)", to: &text)
            }
            line("\(name)_bucket", sample.labels + [.init("le", "+Inf")], "\(histogram.count)", to: &text)
            line("\(name)_sum", sample.labels, self.text(of: histogram.sum), to: &text)
            line("\(name)_count", sample.labels, "\(histogram.count)", to: &text)
        }
    }

    private static func line(_ name: String, _ labels: [MetricFamily.Label], _ value: String, to text: inout String) {
        text += name
        if !labels.isEmpty {
            text += "{"
            for (index, label) in labels.enumerated() {
                text += "\(index == 0 ? "" : ",")\(label.name)=\"\(escapedValue(label.value))\""
            }
            text += "}"
        }
        text += " \(value)\n"
    }

    /// Whole numbers without a fraction, as bounds are usually written: `1`, not `1.0`.
    private static func text(of number: Double) -> String {
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: number).map { "\($0)" } ?? "\(number)"
    }

    private static func escapedHelp(_ text: String) -> String { escaped(text) { _ in false } }

    private static func escapedValue(_ text: String) -> String { escaped(text) { $0 == "\"" } }

    private static func escaped(_ text: String, also isSpecial: (Unicode.Scalar) -> Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            default:
                if isSpecial(scalar) { result += "\\" }
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
