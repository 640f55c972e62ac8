import ConnectBenchmark

/// A report as tables, for a terminal or for a page in Markdown; each line says whether its goal is met.
package struct PacketText {
    private let report: PacketReport

    package init(_ report: PacketReport) { self.report = report }

    /// Columns, side by side.
    package var terminal: String {
        let tables = tables.map { ([$0.title, ""] + Format.columns($0.rows)).joined(separator: "\n") }
        return ([machine] + tables).joined(separator: "\n\n")
    }

    package var markdown: String {
        let tables = tables.map { table in
            let lines = [table.rows[0], table.rows[0].map { _ in "---:" }] + table.rows.dropFirst()
            return ([table.title, ""] + lines.map { "| " + $0.joined(separator: " | ") + " |" }).joined(separator: "\n")
        }
        return ([machine] + tables).joined(separator: "\n\n") + "\n"
    }

    private typealias Table = (title: String, rows: [[String]])

    private var machine: String {
        "Kernel \(report.machine.kernel), \(report.machine.processors) × \(report.machine.processor)."
    }

    private var tables: [Table] { [programs, families, connects] + Exchange.allCases.map(exchange) }

    private var programs: Table {
        let repeats = Format.count(report.programs.first?.repeats ?? 0)
        let rows = report.programs.map { line in
            [
                line.packet.name, line.family.name, Format.count(line.services),
                Format.fixed(line.nanoseconds, 0) + " ns", "≤ \(Format.fixed(line.goal.limit, 0)) ns", line.goal.word,
            ]
        }
        return (
            "One packet in the program, \(repeats) of each kind:",
            [["packet", "", "Services", "time", "goal", ""]] + rows
        )
    }

    private var families: Table {
        let rows = report.families.map { line in
            [
                line.packet.name, Format.count(line.services), Format.fixed(line.ratio, 2),
                "≤ \(Format.fixed(line.goal.limit, 2))", line.goal.word,
            ]
        }
        return ("IPv6 ÷ IPv4 of the same:", [["packet", "Services", "ratio", "goal", ""]] + rows)
    }

    private var connects: Table {
        let rows = report.connects.map { line in
            [
                line.way.name, line.family.name, Format.microseconds(line.latency.p50),
                "\(Format.ratio(line.ratio.p50)) (\(Format.ratio(line.ratio.p50Low)) – \(Format.ratio(line.ratio.p50High)))",
            ] + goal(line.goal, "≤")
        }
        let count = Format.count(Int(report.connects.first?.latency.connects ?? 0))
        return (
            "connect(2) beyond the node, \(count) of each kind at \(Format.count(report.services)) Services:",
            [["way", "", "p50", "÷ direct", "goal", ""]] + rows
        )
    }

    private func exchange(_ kind: Exchange) -> Table {
        let rows = report.exchanges.filter { $0.kind == kind }.map { line in
            let rate =
                kind == .stream
                ? Format.fixed(line.perSecond * 8 / 1e9, 2) + " Gbit/s" : Format.count(Int(line.perSecond)) + " /s"
            let ratio = [line.ratio, line.ratioLow, line.ratioHigh].map { Format.ratio($0) }
            return [line.way.name, line.family.name, rate, "\(ratio[0]) (\(ratio[1]) – \(ratio[2]))"]
                + goal(line.goal, "≥")
        }
        return (
            "\(kind.rawValue) on one connection at \(Format.count(report.services)) Services:",
            [["way", "", "rate", "÷ nftables", "goal", ""]] + rows
        )
    }

    private func goal(_ goal: Goal?, _ sign: String) -> [String] {
        goal.map { ["\(sign) \(Format.fixed($0.limit, 2))", $0.word] } ?? ["", ""]
    }
}

extension Goal {
    fileprivate var word: String { isMet ? "met" : "missed" }
}

extension IPVersion {
    fileprivate var name: String { self == .v4 ? "IPv4" : "IPv6" }
}

extension PacketKind {
    fileprivate var name: String {
        switch self {
        case .stranger: "not ours"
        case .host: "not ours, to the node"
        case .request: "established, request"
        case .reply: "established, reply"
        case .first: "first of a flow"
        case .firstWhenFull: "first, for the oldest one"
        }
    }
}

extension RoutedWay {
    fileprivate var name: String {
        switch self {
        case .direct: "direct"
        case .control: "direct again"
        case .swiftlet: "swiftlet, NodePort"
        case .swiftletLocal: "swiftlet, NodePort, pod of the node"
        case .nftables: "nftables, NodePort"
        case .passing: "direct, past swiftlet"
        case .empty: "direct, past empty programs"
        }
    }
}
