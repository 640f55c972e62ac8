/// The figures of some clusters beside each other, each the median of all runs.
struct StartTable {
    private let clusters: [GeneratedCluster]
    private var reports: [[StartReport]]

    init(clusters: [GeneratedCluster]) {
        self.clusters = clusters
        reports = clusters.map { _ in [] }
    }

    mutating func add(_ report: StartReport, of cluster: GeneratedCluster) {
        guard let index = clusters.firstIndex(of: cluster) else { return }
        reports[index].append(report)
    }

    private struct Row: Sendable {
        let name: String
        var unit = "ms"
        var digits = 0
        let figures: @Sendable (StartReport) -> [Double]
    }

    private static let rows = [
        Row(name: "start of the process to the first request") { [$0.untilAsking] },
        Row(name: "list and decode all, while the programs are loaded") {
            [max(0, $0.untilProgrammed - $0.compile - $0.program)]
        },
        Row(name: "compile all") { [$0.compile] },
        Row(name: "plan and program all maps") { [$0.program] },
        Row(name: "start of the process to ready") { [$0.untilReady] },
        Row(name: "memory when ready: resident, and of it not the program file", unit: "MB") {
            [$0.memoryWhenReady.resident, $0.memoryWhenReady.anonymous]
        },
        Row(name: "memory after the changes, the same", unit: "MB") {
            [$0.memoryAtEnd.resident, $0.memoryAtEnd.anonymous]
        },
        Row(name: "memory at its peak", unit: "MB") { [$0.memoryAtEnd.peak] },
        Row(name: "processor time, start and changes") { [$0.cpuMilliseconds] },
        Row(name: "a change, first byte of its event to the map: p50, p99, longest", digits: 2) {
            $0.percentiles(0.5, 0.99, 1)
        },
    ]

    var markdown: String {
        let titles = clusters.map { " \($0.title) |" }.joined()
        let lines = Self.rows.map { row in
            "| \(row.name) |" + reports.map { " \(Self.cell(row, $0)) |" }.joined() + "\n"
        }
        return "| phase |\(titles)\n|---|\(clusters.map { _ in "---|" }.joined())\n" + lines.joined()
    }

    private static func cell(_ row: Row, _ reports: [StartReport]) -> String {
        let runs = reports.map(row.figures)
        return (runs.first ?? []).indices.map { index in
            let sorted = runs.map { $0[index] }.sorted()
            return text(sorted[sorted.count / 2], row.digits) + " \(row.unit)"
        }.joined(separator: ", ")
    }

    private static func text(_ value: Double, _ digits: Int) -> String {
        let scale = digits == 0 ? 1.0 : 100.0
        let rounded = (value * scale).rounded() / scale
        return digits == 0 ? "\(Int(rounded))" : "\(rounded)"
    }
}

extension GeneratedCluster {
    fileprivate var title: String {
        "\(services) × \(endpoints)" + (pending == 0 ? "" : ", \(pending) of them pending")
    }
}
