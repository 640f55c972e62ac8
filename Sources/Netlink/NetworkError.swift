import Glibc
package import SystemPackage
import SystemCalls

/// Why something of the kernel's network configuration cannot be read, followed or changed.
package struct NetworkError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was attempted; the raw value is the verb of the message.
    package enum Action: String, Sendable {
        case follow, find, open, read, set
    }

    package let action: Action
    /// The object that the action was done to: "addresses", "route to 10.0.0.1".
    package let subject: String
    package let cause: Errno
    /// What to do about it; nil where nothing useful can be said.
    package let advice: String?

    package init(_ action: Action, _ subject: String, _ cause: Errno = Errno(rawValue: errno)) {
        self.action = action
        self.subject = subject
        self.cause = cause
        advice =
            switch cause {
            case .notPermitted, .permissionDenied: "run as root, or grant CAP_NET_ADMIN"
            case .tooManyOpenFiles, .tooManyOpenFilesInSystem: cause.remedy(or: "")
            case .addressFamilyNotSupported, .protocolNotSupported: "allow netlink sockets (AF_NETLINK) in the sandbox"
            default: nil
            }
    }

    package var description: String {
        let happened = "cannot \(action.rawValue) \(subject): \(cause.plainText)"
        return advice.map { "\(happened); \($0)" } ?? happened
    }
}
