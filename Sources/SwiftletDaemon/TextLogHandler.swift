import Foundation
import Logging

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
        let level = event.level.rawValue.padding(toLength: 7, withPad: " ", startingAt: 0)
        let details = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
            .map { "  \($0.key)=\($0.value)" }.joined()
        FileHandle.standardError.write(Data("\(time) \(level) \(event.message)\(details)\n".utf8))
    }
}
