import CNetworkLab
import Glibc

/// Why a piece of the lab could not be made or used: what was tried, on which object, and what to do.
package struct LabError: Error, Sendable, CustomStringConvertible {
    /// The verb, as in "cannot *create* network namespace swl-1-node".
    package let action: String
    package let subject: String
    package let cause: String
    package let advice: String?

    package init(_ action: String, _ subject: String, cause: String, advice: String? = nil) {
        self.action = action
        self.subject = subject
        self.cause = cause
        self.advice = advice
    }

    /// Takes the cause from `errno`, which must be read before any other call: pass it in when unsure.
    init(_ action: String, _ subject: String, errno number: CInt = errno) {
        self.init(
            action, subject, cause: ErrnoName.text(of: number),
            advice: number == EPERM || number == EACCES ? "run as root" : nil)
    }

    package var description: String {
        let advised = advice.map { "; \($0)" } ?? ""
        return "cannot \(action) \(subject): \(cause)\(advised)"
    }
}

/// The kernel's error numbers as people search for them.
package enum ErrnoName {
    /// `ECONNREFUSED` for 111; a number without a name is shown as `errno 524`.
    package static func name(of number: CInt) -> String {
        guard let name = strerrorname_np(number) else { return "errno \(number)" }
        return String(cString: name)
    }

    /// `connection refused` for 111.
    static func text(of number: CInt) -> String {
        guard let text = strerror(number) else { return name(of: number) }
        return String(cString: text).lowercased()
    }
}
