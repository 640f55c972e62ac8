import KubernetesObjects
import SystemCalls
import SystemPackage

/// Why manifests cannot be watched at all, or a file of settings not be read.
package struct ManifestSourceError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Action: String, Sendable {
        case watch, read
    }

    package var action: Action
    package var subject: String
    package var cause: String
    package var advice: String

    init(_ action: Action, _ subject: String, cause: String, advice: String) {
        self.action = action
        self.subject = subject.oneLine()
        self.cause = cause.oneLine()
        self.advice = advice.oneLine()
    }

    init(_ action: Action, _ subject: String, errno: Int32, advice: String) {
        self.init(action, subject, cause: Errno(rawValue: errno).plainText, advice: advice)
    }

    package var description: String {
        "cannot \(action.rawValue) \(subject): \(cause); \(advice)"
    }
}
