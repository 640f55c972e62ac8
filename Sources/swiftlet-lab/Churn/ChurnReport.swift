import NetworkLab

/// What came of a run of `churn`: a line for each proxy and each end that closes first.
struct ChurnReport {
    struct Line {
        var proxy: ChurnProxy
        var closing: Closing
        var load: LoadReport
        /// TCP segments with RST that the client sent: one for each SYN that met a connection in TIME_WAIT.
        var resets: Int

        var failed: Int { load.tally.failed.values.reduce(0, +) }
    }

    var lines: [Line] = []

    /// Whether swiftlet has let none fail, and no more be slow than the rules beside it.
    var isGood: Bool {
        lines.filter { $0.proxy == .swiftlet }.allSatisfy { line in
            let beside = lines.first { $0.proxy == .nftables && $0.closing == line.closing }
            return line.failed == 0 && line.load.tally.ok > 0 && line.load.slow <= beside?.load.slow ?? .max
        }
    }

    var json: JSON {
        .array(
            lines.map { line in
                .object([
                    ("proxy", .string(line.proxy.rawValue)), ("closing", .string(line.closing.rawValue)),
                    ("connections", .integer(line.load.attempted)), ("failed", .integer(line.failed)),
                    ("slow", .integer(line.load.slow)), ("resets", .integer(line.resets)),
                    ("slowest", .integer(line.load.slowest)), ("load", line.load.json),
                ])
            })
    }

    var text: String {
        let titles = ["closed first by", "through", "connections", "failed", "over 0.9 s", "resets", "slowest connect"]
        let rows = lines.map { line in
            [
                line.closing.rawValue, line.proxy.rawValue, "\(line.load.attempted)", "\(line.failed)",
                "\(line.load.slow)", "\(line.resets)", "\((line.load.slowest + 500) / 1_000) ms",
            ]
        }
        let widths = titles.indices.map { column in ([titles] + rows).map { $0[column].count }.max() ?? 0 }
        let table = ([titles] + rows).map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
        }
        let failures = lines.flatMap { line in
            line.load.failures.map {
                "\(line.proxy.rawValue): \($0.attempt.result) at \($0.attempt.stage ?? "?") of \($0.target)"
            }
        }
        return (table + failures + [isGood ? "passed" : "failed"]).joined(separator: "\n")
    }
}
