/// Results for several numbers of services as tables of a Markdown page.
package struct BenchmarkMarkdown {
    private let results: [BenchmarkResult]

    package init(_ results: [BenchmarkResult]) { self.results = results }

    package var description: String {
        (machine + latency + [""] + programs).joined(separator: "\n") + "\n"
    }

    private var machine: [String] {
        guard let first = results.first else { return [] }
        return [
            "Kernel \(first.machine.kernel), \(first.machine.processors) × \(first.machine.processor). "
                + "Each line is one run: \(Format.count(Int(first.direct.connects))) connects of each kind, in turns.",
            "",
        ]
    }

    private var latency: [String] {
        let filters = Set(results.flatMap(\.against.keys)).sorted(by: >)
        let head = ["services", "direct p50", "VIP p50", "VIP ÷ direct", "random VIPs ÷ direct"]
        let rows = results.map { result -> [String] in
            [
                result.services.map(Format.count) ?? "-", Format.microseconds(result.direct.p50),
                result.vip.map { Format.microseconds($0.p50) } ?? "-", ratio(result.ratio), ratio(result.random?.ratio),
            ] + filters.map { ratio(result.against[$0]?.ratio) } + [ratio(result.control)]
        }
        return table(head + filters.map { "\($0) ÷ direct" } + ["direct ÷ direct"], rows)
    }

    private var programs: [String] {
        let rows = results.compactMap { result -> [String]? in
            guard let programs = result.programs else { return nil }
            func net(_ cost: ProgramCost?) -> String {
                cost.map { Format.nanoseconds($0.net) } ?? "-"
            }
            return [
                result.services.map(Format.count) ?? "-", net(programs.hit), net(programs.random), net(programs.miss),
                net(programs.armed),
                Format.nanoseconds(programs.empty.nanoseconds),
            ]
        }
        let head = [
            "services", "`connect4`, one VIP", "random VIPs", "no Service", "one VIP, monitored", "empty program",
        ]
        return table(head, rows)
    }

    private func ratio(_ ratio: LatencyRatio?) -> String {
        guard let ratio else { return "-" }
        return "\(Format.ratio(ratio.p50)) (\(Format.ratio(ratio.p50Low)) – \(Format.ratio(ratio.p50High)))"
    }

    private func table(_ head: [String], _ rows: [[String]]) -> [String] {
        ([head, head.map { _ in "---:" }] + rows).map { "| " + $0.joined(separator: " | ") + " |" }
    }
}
