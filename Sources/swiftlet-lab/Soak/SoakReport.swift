import NetworkLab

/// What a soak did and what came of it.
struct SoakReport {
    var seed: UInt64
    var seconds = 0.0
    var judge: SoakJudge
    var changes = 0
    /// From a manifest, or the daemon's start if that came later, until all frontends show it; milliseconds.
    var latencies: [Double] = []
    var disturbances: [String: Int] = [:]
    var starts = 0
    /// For how many frontends, slots and backends of a family the maps have room at the end.
    var room: [Int] = []

    var attempted: Int {
        judge.connects.values.reduce(0) { sum, kinds in
            sum + kinds.values.reduce(0) { $0 + $1.right + $1.refusedRightly + $1.failed }
        }
    }
    var rate: Int { seconds > 0 ? Int(Double(attempted) / seconds) : 0 }

    var text: String {
        (["seed \(seed), \(Int(seconds)) s"] + connectLines + flowLines + bystanderLines + daemonLines + failureLines)
            .joined(separator: "\n")
    }

    private var connectLines: [String] {
        var lines = ["connects: \(attempted), \(rate) a second"]
        for place in SoakJudge.Place.allCases {
            for (kind, tally) in (judge.connects[place] ?? [:]).sorted(by: { $0.key < $1.key }) {
                lines.append(
                    "  from \(place.rawValue) to \(kind): \(tally.right) answered, "
                        + "\(tally.refusedRightly) rightly refused, \(tally.failed) failed")
            }
        }
        return lines
    }

    private var flowLines: [String] {
        SoakJudge.Place.allCases.flatMap { place in
            (judge.flows[place] ?? [:]).sorted { $0.key < $1.key }.map { proto, tally in
                "\(proto) flows from \(place.rawValue): \(tally.opened) opened, \(tally.opened - tally.broken.count) kept, "
                    + "\(tally.exchanges) exchanges, \(tally.moves) moved from a backend that went"
            }
        } + ["datagrams sent again: \(judge.resent)"]
    }

    private var bystanderLines: [String] {
        func told(_ tally: BystanderTally) -> String {
            "\(tally.connects) connects, \(tally.exchanges) exchanges, \(tally.failed) failed"
        }
        let all = judge.bystanders.values.reduce(BystanderTally(), +)
        return ["bystanders: \(told(all))"]
            + Bystander.allCases.map { "  \($0.rawValue): \(told(judge.bystanders[$0] ?? BystanderTally()))" }
    }

    private var daemonLines: [String] {
        let sorted = latencies.sorted()
        func at(_ share: Double) -> String {
            sorted.isEmpty ? "-" : "\(Int(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))].rounded()))"
        }
        let ends = disturbances.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        return [
            "changes: \(changes); in the maps after \(at(0.5)) ms (median), \(at(0.99)) ms (p99), \(at(1)) ms (longest)",
            "starts of the daemon: \(starts); \(ends)",
            "room of the maps, which began with \(SoakNode.initialRoom): \(room.map(String.init).joined(separator: ", ")) "
                + "(frontends, slots, backends)",
        ]
    }

    private var failureLines: [String] {
        let hidden = judge.failureCount - judge.failures.count
        return judge.failures.map { "FAILED: \($0)" } + (hidden > 0 ? ["FAILED: … and \(hidden) more"] : [])
            + [judge.failureCount == 0 ? "passed" : "failed: \(judge.failureCount)"]
    }
}
