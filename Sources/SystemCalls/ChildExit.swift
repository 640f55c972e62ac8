package import Glibc

/// How a child process ended.
package enum ChildExit: Sendable, Hashable {
    case code(Int32)
    case signal(Int32)

    package init(status: Int32) {
        self = status & 0x7f == 0 ? .code((status >> 8) & 0xff) : .signal(status & 0x7f)
    }

    /// Nil when a signal ended it.
    package var code: Int32? {
        if case .code(let code) = self { code } else { nil }
    }

    /// Waits for the end of a child; nil if there is no such child.
    @discardableResult
    package static func wait(for child: pid_t) -> ChildExit? {
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { return nil }
        }
        return ChildExit(status: status)
    }
}
