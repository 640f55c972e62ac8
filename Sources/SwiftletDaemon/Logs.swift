package import Logging
package import Settings

/// How swiftlet logs: to standard error, a constant message plus metadata, nothing per connection.
package enum Logs {
    package static func logger(level: Logger.Level, format: LogFormat) -> Logger {
        var logger = Logger(label: "swiftlet") { _ in
            switch format {
            case .text: TextLogHandler()
            case .json: JSONLogHandler()
            }
        }
        logger.logLevel = level
        return logger
    }
}
