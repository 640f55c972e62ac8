package import Logging
package import Settings
import ServiceLifecycle
import UnixSignals

/// The configuration that a daemon began with, and how it is read again.
package struct ConfigurationSource: Sendable {
    /// Before anything was looked up for it.
    package let initial: Configuration
    package let read: @Sendable () throws -> Configuration

    package init(initial: Configuration, read: @escaping @Sendable () throws -> Configuration) {
        self.initial = initial
        self.read = read
    }
}

/// Reads the configuration again at each SIGHUP: the level of the log follows it, all else is for the next start. One
/// that cannot be read changes nothing.
package struct Reload: Sendable {
    private var inForce: Configuration
    private let source: ConfigurationSource
    private let threshold: LogThreshold
    private let log: Logger

    package init(_ source: ConfigurationSource, threshold: LogThreshold, log: Logger) {
        inForce = source.initial
        self.source = source
        self.threshold = threshold
        self.log = log
    }

    package mutating func run() {
        let wanted: Configuration
        do {
            wanted = try source.read()
        } catch {
            return log.error("cannot reload the configuration; nothing has changed", metadata: ["cause": "\(error)"])
        }
        if wanted.logLevel != inForce.logLevel {
            inForce.logLevel = wanted.logLevel
            threshold.level = wanted.logLevel
        }
        log.notice("reloaded the configuration", metadata: ["logLevel": "\(inForce.logLevel)"])
        let waiting = wanted.settings(unlike: inForce)
        guard !waiting.isEmpty else { return }
        log.warning(
            "settings have changed that need a restart", metadata: ["settings": "\(waiting.joined(separator: ", "))"])
    }
}

/// Reloads while the daemon runs; without a source SIGHUP does nothing.
struct ReloadService: ServiceLifecycle.Service {
    let signals: UnixSignalsSequence
    let reload: Reload?

    func run() async throws {
        var reload = reload
        for await _ in signals.cancelOnGracefulShutdown() { reload?.run() }
    }
}
