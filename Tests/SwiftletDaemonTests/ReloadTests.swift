import Logging
import ServiceModel
import Settings
import SwiftletDaemon
import Synchronization
import Testing

/// SIGHUP reads the configuration again.
@Suite("a reload")
struct ReloadTests {
    private struct Broken: Error, CustomStringConvertible {
        var description: String { "line 3: not YAML" }
    }

    private func configuration(_ change: (inout Configuration) -> Void = { _ in }) -> Configuration {
        var configuration = Configuration(nodeName: "a")
        change(&configuration)
        return configuration
    }

    @Test("the level of the log follows the file, and what needs a restart is named once for each reload")
    func follows() {
        let next = Mutex(configuration())
        let threshold = LogThreshold(.info)
        let lines = RecordedLog()
        let source = ConfigurationSource(initial: configuration()) { next.withLock { $0 } }
        var reload = Reload(source, threshold: threshold, log: lines.logger)

        next.withLock { $0.logLevel = .debug }
        reload.run()
        #expect(threshold.level == .debug)
        #expect(lines.texts == ["reloaded the configuration logLevel=debug"])

        next.withLock {
            $0.mapSizes.flows = 7
            $0.node.masqueradesAll = true
        }
        reload.run()
        #expect(threshold.level == .debug)
        #expect(lines.texts.last?.contains("maxFlows (--max-flows)") == true, "\(lines.texts)")
        #expect(lines.texts.last?.contains("masqueradeAll") == true, "\(lines.texts)")
    }

    @Test("a file that cannot be read changes nothing, and the next one counts")
    func refuses() {
        let isBroken = Mutex(true)
        let threshold = LogThreshold(.info)
        let lines = RecordedLog()
        let wanted = configuration { $0.logLevel = .trace }
        let source = ConfigurationSource(initial: configuration()) {
            if isBroken.withLock({ $0 }) { throw Broken() }
            return wanted
        }
        var reload = Reload(source, threshold: threshold, log: lines.logger)
        reload.run()
        #expect(threshold.level == .info)
        #expect(lines.texts == ["cannot reload the configuration; nothing has changed cause=line 3: not YAML"])
        isBroken.withLock { $0 = false }
        reload.run()
        #expect(threshold.level == .trace)
    }

    @Test("a logger follows the threshold, but where it has a level of its own")
    func threshold() {
        let threshold = LogThreshold(.info)
        let log = Logs.logger(threshold: threshold, format: .text)
        var quiet = log
        quiet.logLevel = .error
        threshold.level = .debug
        #expect(log.logLevel == .debug)
        #expect(quiet.logLevel == .error)
    }
}

/// What was logged, as `message key=value`.
private final class RecordedLog: Sendable {
    private let lines = Mutex<[String]>([])

    var texts: [String] { lines.withLock { $0 } }

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: RecordedLog
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let details = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
            log.lines.withLock { $0.append("\(event.message)\(details)") }
        }
    }
}
