import NetworkLab

/// What a start and some changes took; milliseconds.
struct StartReport: Sendable {
    let cluster: GeneratedCluster
    /// From the start of the process to its first request.
    var untilAsking = 0.0
    /// From there to the last entry in the maps.
    var untilProgrammed = 0.0
    var compile = 0.0
    var program = 0.0
    /// From the start of the process.
    var untilReady = 0.0
    var memoryWhenReady = MeasuredDaemon.Memory()
    var memoryAtEnd = MeasuredDaemon.Memory()
    /// Of the whole life.
    var cpuMilliseconds = 0.0
    var changes: [Double] = []

    private func percentile(_ share: Double) -> Double {
        let sorted = changes.sorted()
        guard !sorted.isEmpty else { return 0 }
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }

    var markdown: String {
        let rows: [(String, String)] = [
            ("start of the process to the first request", text(untilAsking, "ms")),
            ("list and decode all", text(max(0, untilProgrammed - compile - program), "ms")),
            ("compile all", text(compile, "ms")),
            ("plan and program all maps", text(program, "ms")),
            ("start of the process to ready", text(untilReady, "ms")),
            ("memory when ready", memory(memoryWhenReady)),
            ("memory after the changes", memory(memoryAtEnd)),
            ("memory at its peak", text(memoryAtEnd.peak, "MB")),
            (
                "a change, first byte of its event to the map: p50, p99, longest of \(changes.count)",
                [percentile(0.5), percentile(0.99), percentile(1)].map { text($0, "ms", digits: 2) }.joined(
                    separator: ", ")
            ),
        ]
        return "| phase | figure |\n|---|---|\n" + rows.map { "| \($0.0) | \($0.1) |\n" }.joined()
    }

    private func memory(_ memory: MeasuredDaemon.Memory) -> String {
        "\(text(memory.resident, "MB")) resident, \(text(memory.anonymous, "MB")) of it not the program file"
    }

    private func text(_ value: Double, _ unit: String, digits: Int = 0) -> String {
        let scale = digits == 0 ? 1.0 : 100.0
        let rounded = (value * scale).rounded() / scale
        return "\(digits == 0 ? "\(Int(rounded))" : "\(rounded)") \(unit)"
    }
}
