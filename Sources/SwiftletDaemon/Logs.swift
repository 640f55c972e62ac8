package import Logging
package import Settings
import Synchronization

/// How swiftlet logs: to standard error, a constant message plus metadata, nothing per connection.
package enum Logs {
    package static func logger(threshold: LogThreshold, format: LogFormat) -> Logger {
        Logger(label: "swiftlet") { _ in
            switch format {
            case .text: ThresholdLogHandler(TextLogHandler(), threshold)
            case .json: ThresholdLogHandler(JSONLogHandler(), threshold)
            }
        }
    }
}

/// The level of the whole log, which may change while the process runs.
package final class LogThreshold: Sendable {
    private let current: Mutex<Logger.Level>

    package init(_ level: Logger.Level) { current = Mutex(level) }

    package var level: Logger.Level {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }
}

/// Follows a threshold, but where a logger has been given a level of its own.
private struct ThresholdLogHandler: LogHandler {
    private var handler: any LogHandler
    private var own: Logger.Level?
    private let threshold: LogThreshold

    init(_ handler: any LogHandler, _ threshold: LogThreshold) {
        self.handler = handler
        self.threshold = threshold
    }

    var logLevel: Logger.Level {
        get { own ?? threshold.level }
        set { own = newValue }
    }

    var metadata: Logger.Metadata {
        get { handler.metadata }
        set { handler.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { handler[metadataKey: key] }
        set { handler[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) { handler.log(event: event) }
}
