/// Why the manifests cannot be watched at all.
public struct ManifestSourceError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Action: String, Sendable {
        case watch, read
    }

    public var action: Action
    public var subject: String
    /// The system's error number.
    public var errno: Int32
    public var advice: String

    init(_ action: Action, _ subject: String, errno: Int32, advice: String) {
        self.action = action
        self.subject = subject
        self.errno = errno
        self.advice = advice
    }

    public var description: String {
        "cannot \(action.rawValue) \(subject): \(errorText(errno)); \(advice)"
    }
}
