import NetworkLab

/// What a start and some changes took; milliseconds.
struct StartReport: Sendable {
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

    /// Shares of the changes took no longer.
    func percentiles(_ shares: Double...) -> [Double] {
        let sorted = changes.sorted()
        return shares.map { share in
            sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
        }
    }
}
