import Glibc
package import SystemPackage
import SystemCalls

/// What went wrong with a kernel object: the action, the object, the cause and what to do about it.
///
/// `description` is the sentence for people: "cannot pin services4: operation not permitted; grant CAP_BPF and …".
package struct BPFError: Error, Sendable {
    /// What was attempted; the raw value is the verb of the message.
    package enum Action: String, Sendable {
        case attach, create, delete, detach, duplicate, enable, enter, find, load, mount, open, pin, probe, query
        case read, reuse, run, set, unpin, update, `wait`
    }

    package let action: Action
    /// The object that the action was done to, as a person names it: "services4", "link at /sys/fs/bpf/…".
    package let subject: String
    /// The kernel's answer.
    package let cause: Errno
    /// The cause in better words than the errno has, when they are known: "map is full (65536)".
    package let detail: String?
    /// What to do about it; nil where nothing useful can be said.
    package var advice: String?
    /// Everything that libbpf and the verifier said, when a load failed.
    package let log: String?

    /// Describes a failure; without `advice`, the usual one for the cause is taken.
    package init(
        _ action: Action, _ subject: String, _ cause: Errno, detail: String? = nil, advice: String? = nil,
        log: String? = nil
    ) {
        self.action = action
        self.subject = subject
        self.cause = cause
        self.detail = detail
        self.advice = advice ?? (detail == nil ? Self.usualAdvice(for: cause) : nil)
        self.log = log
    }

    private static func usualAdvice(for cause: Errno) -> String? {
        switch cause {
        case .notPermitted, .permissionDenied: "grant CAP_BPF and CAP_NET_ADMIN"
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem: cause.remedy(or: "")
        case .noMemory: "free memory, or raise the memory limit of this cgroup"
        default: nil
        }
    }
}

extension BPFError: CustomStringConvertible {
    package var description: String {
        let happened = "cannot \(action.rawValue) \(subject): \(detail ?? cause.plainText)"
        return advice.map { "\(happened); \($0)" } ?? happened
    }
}

/// Passes on what a libbpf call returned, or throws it when it is a negative errno.
@discardableResult
func checked(
    _ result: Int32, _ action: BPFError.Action, _ subject: @autoclosure () -> String
) throws(BPFError) -> Int32 {
    guard result < 0 else { return result }
    throw BPFError(action, subject(), Errno(rawValue: -result))
}
