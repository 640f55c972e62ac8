import Synchronization

/// The last lines of the log, for `swiftlet debuginfo`: where they go to from standard error differs from node to node.
enum RecentLog {
    private static let limit = 1_000
    private static let lines = Mutex<[String]>([])

    /// - Parameter line: as it is written, without a line break.
    static func note(_ line: String) {
        lines.withLock { lines in
            lines.append(line)
            // Not at each line: that would move all of them each time.
            if lines.count > limit * 2 { lines.removeFirst(lines.count - limit) }
        }
    }

    /// The oldest first.
    static var last: [String] { lines.withLock { Array($0.suffix(limit)) } }
}
