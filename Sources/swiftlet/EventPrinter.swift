import FoundationEssentials
import Reporting
import SwiftletDaemon

/// Makes lines of events at a bounded rate, and says how many it left out.
struct EventPrinter {
    let format: MonitorCommand.Format
    /// Lines a second; 0 for all.
    let rate: Int
    /// When the second of `printed` and `dropped` began; nil before the first look.
    private var begun: Duration?
    private var printed = 0
    private var dropped: UInt64 = 0

    init(format: MonitorCommand.Format, rate: Int) {
        self.format = format
        self.rate = rate
    }

    /// - Parameters:
    ///   - lost: events that the kernel had no room for.
    ///   - now: of a clock that only goes forward.
    mutating func lines(of records: [EventRecord], lost: UInt64, at now: Duration) throws -> [String] {
        var lines: [String] = []
        if now - (begun ?? now) >= .seconds(1) {
            lines = rest()
            begun = nil
        }
        if begun == nil { (begun, printed) = (now, 0) }
        dropped += lost
        for record in records {
            guard rate == 0 || printed < rate else {
                dropped += 1
                continue
            }
            printed += 1
            lines.append(try text(of: record))
        }
        return lines
    }

    /// The line of what was left out and not told yet, if there is something.
    mutating func rest() -> [String] {
        defer { dropped = 0 }
        return dropped > 0 ? [text(ofDropped: dropped)] : []
    }

    private func text(of record: EventRecord) throws -> String {
        guard format == .text else {
            return String(decoding: try ReportCoding.encoder().encode(record), as: UTF8.self)
        }
        return record.refused ? Terminal.styled(record.line, .bad) : record.line
    }

    private func text(ofDropped count: UInt64) -> String {
        format == .text
            ? Terminal.styled("dropped \(count) event\(count == 1 ? "" : "s")", .warning) : #"{"dropped":\#(count)}"#
    }
}
