import FoundationEssentials
import Logging
import SystemPackage

/// A line for people: time, level, message, and what it is about.
struct TextLogHandler: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let time = Date().ISO8601Format(.iso8601(timeZone: .gmt, includingFractionalSeconds: true))
        let level = event.level.rawValue
        let padding = String(repeating: " ", count: max(0, 7 - level.count))
        let details = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
            .map { "  \($0.key)=\($0.value)" }.joined()
        let line = "\(time) \(level)\(padding) \(event.message)\(details)"
        RecentLog.note(line)
        _ = try? FileDescriptor.standardError.writeAll("\(line)\n".utf8)
    }
}
