import Logging

/// Lines of the same kind about one change: after the first ones their number is logged. Thousands of Services may fail at
/// once, and `status` has them.
struct LogRun {
    static let most = 20

    private let log: Logger
    private let level: Logger.Level
    private var counts: [String: Int] = [:]

    init(_ log: Logger, _ level: Logger.Level) {
        self.log = log
        self.level = level
    }

    mutating func add(_ line: Logger.Message, metadata: @autoclosure () -> Logger.Metadata) {
        let count = counts["\(line)", default: 0] + 1
        counts["\(line)"] = count
        if count <= Self.most { log.log(level: level, line, metadata: metadata()) }
    }

    consuming func end() {
        for (line, count) in counts.sorted(by: { $0.key < $1.key }) where count > Self.most {
            log.log(
                level: level, "and more of the same", metadata: ["line": "\(line)", "more": "\(count - Self.most)"])
        }
    }
}
