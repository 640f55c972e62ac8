import Histogram

/// A report as a person reads it in a terminal: a table, the programs, and the distributions on one axis.
package struct BenchmarkText {
    private let report: BenchmarkReport
    private let usesColor: Bool

    package init(_ report: BenchmarkReport, color usesColor: Bool) {
        self.report = report
        self.usesColor = usesColor
    }

    package var description: String {
        ([machine, ""] + table + [""] + control + programs + [""] + histogram).joined(separator: "\n")
    }

    private var machine: String {
        let result = report.result
        let services = result.services.map { "\($0) service\($0 == 1 ? "" : "s"), " } ?? ""
        return "\(services)\(result.rounds) rounds, \(result.direct.connects) connects each; "
            + "kernel \(result.machine.kernel), \(result.machine.processors) × \(result.machine.processor)"
    }

    // MARK: Table

    private struct Row {
        let name: String
        let latency: Latency
        let ratio: LatencyRatio?
    }

    private var rows: [Row] {
        let result = report.result
        var rows = [Row(name: "direct", latency: result.direct, ratio: nil)]
        if let vip = result.vip { rows.append(Row(name: "swiftlet, one VIP", latency: vip, ratio: result.ratio)) }
        if let random = result.random {
            rows.append(Row(name: "swiftlet, random VIPs", latency: random.latency, ratio: random.ratio))
        }
        if let unhooked = result.unhooked {
            rows.append(Row(name: "direct, no hooks", latency: unhooked.latency, ratio: unhooked.ratio))
        }
        for (name, compared) in result.against.sorted(by: { $0.key > $1.key }) {
            rows.append(Row(name: "kube-proxy, \(name)", latency: compared.latency, ratio: compared.ratio))
        }
        return rows
    }

    private var table: [String] {
        let head = ["connect(2)", "p50", "p90", "p99", "p99.9", "÷ direct", "95 % interval"]
        let body = rows.map { row -> [String] in
            let latency = row.latency
            let times = [latency.p50, latency.p90, latency.p99, latency.p999].map(Format.microseconds)
            guard let ratio = row.ratio else { return [row.name] + times + ["", ""] }
            return [row.name] + times + [
                Format.ratio(ratio.p50), "\(Format.ratio(ratio.p50Low)) – \(Format.ratio(ratio.p50High))",
            ]
        }
        return Format.columns([head] + body)
    }

    private var control: [String] {
        let control = report.result.control
        return [
            "direct ÷ direct, measured the same way: \(Format.ratio(control.p50)) "
                + "(\(Format.ratio(control.p50Low)) – \(Format.ratio(control.p50High)))"
        ]
    }

    private var programs: [String] {
        guard let programs = report.result.programs else { return [] }
        var parts = ["hit \(Format.nanoseconds(programs.hit.net))"]
        if let random = programs.random { parts.append("random VIPs \(Format.nanoseconds(random.net))") }
        if let armed = programs.armed { parts.append("hit while `monitor` listens \(Format.nanoseconds(armed.net))") }
        parts.append("miss \(Format.nanoseconds(programs.miss.net))")
        return [
            "one run of connect4: " + parts.joined(separator: ", ")
                + " (net of an empty program's \(Format.nanoseconds(programs.empty.nanoseconds)))"
        ]
    }

    // MARK: Histogram

    private static let width = 64
    /// ANSI colours of the paths, in order: none for the first.
    private static let colors = ["", "\u{1b}[36m", "\u{1b}[35m", "\u{1b}[33m", "\u{1b}[31m"]

    /// One line of blocks for each path, all on one axis; a long tail does not squeeze what matters into one column.
    private var histogram: [String] {
        let shown: [(String, ConnectPath.Kind)] = [
            ("direct", .direct), ("VIP", .vip), ("nftables", .nftables), ("iptables", .iptables),
        ]
        let paths = shown.compactMap { name, kind in report.samples(of: kind).map { (name, $0.histogram) } }
        let low = paths.map { $0.1.valueAtPercentile(0.1) }.min() ?? 0
        let tail = paths.map { min($0.1.valueAtPercentile(99), $0.1.valueAtPercentile(50) * 2) }
        let high = max(tail.max() ?? 1, low + UInt64(Self.width))
        let axis = HistogramAxis(low: low, high: high, width: Self.width)
        var lines: [String] = []
        for (index, (name, histogram)) in paths.enumerated() {
            let bars = paint(axis.blocks(histogram), Self.colors[index % Self.colors.count])
            lines.append(Format.padded(name, 9) + bars)
        }
        return lines + [Format.padded("", 9) + axis.ruler, Format.padded("", 9) + axis.labels]
    }

    private func paint(_ text: String, _ color: String) -> String {
        usesColor && !color.isEmpty ? color + text + "\u{1b}[0m" : text
    }
}

/// A range of nanoseconds cut into columns of equal width.
struct HistogramAxis {
    let low: UInt64
    let high: UInt64
    let width: Int

    private static let blocks = Array(" ▁▂▃▄▅▆▇█")

    /// How many samples fall into each column; what is beyond the axis is left out.
    func columns(_ histogram: Histogram<UInt64>) -> [UInt64] {
        var counts = [UInt64](repeating: 0, count: width)
        for entry in histogram.recordedValues() where entry.value >= low && entry.value < high {
            counts[Int((entry.value - low) * UInt64(width) / (high - low))] += entry.count
        }
        return counts
    }

    /// The columns as blocks, the fullest as high as a line.
    func blocks(_ histogram: Histogram<UInt64>) -> String {
        let counts = columns(histogram)
        let peak = Double(max(counts.max() ?? 1, 1))
        return String(
            counts.map { count in
                count == 0 ? " " : Self.blocks[max(1, Int((Double(count) / peak * 8).rounded()))]
            })
    }

    private var ticks: [Int] { [0, width / 4, width / 2, width * 3 / 4] }

    var ruler: String { String((0..<width).map { ticks.contains($0) ? "┴" : "─" }) + "┘" }

    var labels: String {
        var text = ""
        for tick in ticks {
            text = Format.padded(text, tick)
            text += Format.microseconds(low + (high - low) * UInt64(tick) / UInt64(width))
        }
        return Format.padded(text, width) + Format.microseconds(high)
    }
}
