import ConnectBenchmark

/// A report as tables, for a terminal or for a page in Markdown; each line says whether its goal is met.
package struct PacketText {
    private let report: PacketReport

    package init(_ report: PacketReport) { self.report = report }

    /// Columns, side by side.
    package var terminal: String {
        let tables = tables.map { ([$0.title, ""] + Format.columns($0.rows)).joined(separator: "\n") }
        return ([machine] + tables + [bystanders]).joined(separator: "\n\n")
    }

    package var markdown: String {
        let tables = tables.map { table in
            let lines = [table.rows[0], table.rows[0].map { _ in "---:" }] + table.rows.dropFirst()
            return ([table.title, ""] + lines.map { "| " + $0.joined(separator: " | ") + " |" }).joined(separator: "\n")
        }
        return ([machine] + tables + [bystanders]).joined(separator: "\n\n") + "\n"
    }

    private var bystanders: String {
        "Bystanders: \(Format.count(report.bystanders)) connects past swiftlet meanwhile, 0 failed."
    }

    private typealias Table = (title: String, rows: [[String]])

    private var machine: String {
        "Kernel \(report.machine.kernel), \(report.machine.processors) × \(report.machine.processor)."
    }

    private var tables: [Table] {
        [programs, families]
            + [false, true].flatMap { isTracked in
                [connects(isTracked)] + Exchange.allCases.map { exchange($0, isTracked) }
            }
    }

    private func onNodes(_ isTracked: Bool) -> String {
        "at \(Format.count(report.services)) Services"
            + (isTracked ? ", where netfilter tracks connections on every node:" : ":")
    }

    private var programs: Table {
        let repeats = Format.count(report.programs.first?.repeats ?? 0)
        let rows = report.programs.map { line in
            [
                line.packet.name, line.family.name, Format.count(line.services),
                Format.fixed(line.nanoseconds, 0) + " ns", Format.fixed(line.lookups, 1),
                line.goal.map { "≤ \(Format.fixed($0.limit, 0)) ns" } ?? "", line.goal?.word ?? "",
            ]
        }
        return (
            "One packet in the program, \(repeats) of each kind; a look-up is a warm one in the flows' hash map:",
            [["packet", "", "Services", "time", "look-ups", "goal", ""]] + rows
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

    private func connects(_ isTracked: Bool) -> Table {
        let rows = report.connects.filter { $0.isTracked == isTracked }.map { line in
            [
                line.way.name, line.family.name, Format.microseconds(line.latency.p50),
                "\(Format.ratio(line.ratio.p50)) (\(Format.ratio(line.ratio.p50Low)) – \(Format.ratio(line.ratio.p50High)))",
            ] + goal(line.goal, "≤", 3)
        }
        let count = Format.count(Int(report.connects.first?.latency.connects ?? 0))
        return (
            "connect(2) beyond the node, \(count) of each kind \(onNodes(isTracked))",
            [["way", "", "p50", "÷ direct", "goal", ""]] + rows
        )
    }

    private func exchange(_ kind: Exchange, _ isTracked: Bool) -> Table {
        let rows = report.exchanges.filter { $0.kind == kind && $0.isTracked == isTracked }.map { line in
            let rate =
                kind == .stream
                ? Format.fixed(line.perSecond * 8 / 1e9, 2) + " Gbit/s" : Format.count(Int(line.perSecond)) + " /s"
            let ratio = [line.ratio, line.ratioLow, line.ratioHigh].map { Format.ratio($0) }
            return [line.way.name, line.family.name, rate, "\(ratio[0]) (\(ratio[1]) – \(ratio[2]))"]
                + goal(line.goal, "≥")
        }
        return (
            "\(kind.rawValue) on one connection \(onNodes(isTracked))",
            [["way", "", "rate", "÷ nftables", "goal", ""]] + rows
        )
    }

    private func goal(_ goal: Goal?, _ sign: String, _ digits: Int = 2) -> [String] {
        goal.map { ["\(sign) \(Format.fixed($0.limit, digits))", $0.word] } ?? ["", ""]
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
        case .lookup: "a warm look-up"
        case .stranger: "not ours"
        case .strangerDeparting: "not ours, departing"
        case .host: "not ours, to the node"
        case .request: "established, request"
        case .requestDeparting: "established, request departing"
        case .reply: "established, reply"
        case .replyDeparting: "established, reply departing"
        case .first: "first of a flow"
        case .firstDeparting: "first of a flow, departing"
        case .firstInAll: "first of a flow, both"
        case .firstWhenFull: "first, in another's place"
        case .requestSentOn: "redirect: established, request"
        case .replySentOn: "redirect: established, reply"
        case .firstSentOn: "redirect: first of a flow"
        }
    }
}

extension RoutedWay {
    fileprivate var name: String {
        switch self {
        case .direct: "direct"
        case .control: "direct again"
        case .swiftlet: "swiftlet, NodePort"
        case .redirect: "swiftlet, NodePort, redirect"
        case .swiftletLocal: "swiftlet, NodePort, pod of the node"
        case .nftables: "nftables, NodePort"
        case .passing: "direct, past swiftlet"
        case .empty: "direct, past empty programs"
        case .own: "from the node, past swiftlet"
        }
    }
}
