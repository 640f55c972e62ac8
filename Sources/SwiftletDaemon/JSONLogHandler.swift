import FoundationEssentials
import Logging
import SystemPackage

/// One JSON object a line: time, level, message, and the metadata as further keys.
struct JSONLogHandler: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues { "\($0)" }
        line["time"] = Date().ISO8601Format(.iso8601(timeZone: .gmt, includingFractionalSeconds: true))
        line["level"] = event.level.rawValue
        line["message"] = event.message.description
        guard var data = try? ReportCoding.encoder().encode(line) else { return }
        RecentLog.note(String(decoding: data, as: UTF8.self))
        data.append(UInt8(ascii: "\n"))
        _ = try? FileDescriptor.standardError.writeAll(data)
    }
}
