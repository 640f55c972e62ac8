import KubernetesObjects

/// Why manifests cannot be watched at all, or a file of settings not be read.
public struct ManifestSourceError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Action: String, Sendable {
        case watch, read
    }

    public var action: Action
    public var subject: String
    public var cause: String
    public var advice: String

    init(_ action: Action, _ subject: String, cause: String, advice: String) {
        self.action = action
        self.subject = subject.oneLine()
        self.cause = cause.oneLine()
        self.advice = advice.oneLine()
    }

    init(_ action: Action, _ subject: String, errno: Int32, advice: String) {
        self.init(action, subject, cause: errorText(errno), advice: advice)
    }

    public var description: String {
        "cannot \(action.rawValue) \(subject): \(cause); \(advice)"
    }
}
