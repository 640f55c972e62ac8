import Glibc
import ServiceModel

/// Whose the daemon's files are: the user and the group that it runs as.
package struct Owner: Hashable, Sendable {
    package let user: UInt32
    package let group: UInt32

    package init(user: UInt32, group: UInt32) {
        self.user = user
        self.group = group
    }

    /// The user that runs this process.
    package static var current: Owner { Owner(user: geteuid(), group: getegid()) }

    /// Reads the name of a user, or `UID:GID`.
    package init(_ text: String) throws(DaemonError) {
        let numbers = text.split(separator: ":", omittingEmptySubsequences: false).map { UInt32($0) }
        if numbers.count == 2, let user = numbers[0], let group = numbers[1] {
            self.init(user: user, group: group)
        } else if let entry = getpwnam(text) {
            self.init(user: entry.pointee.pw_uid, group: entry.pointee.pw_gid)
        } else {
            throw DaemonError(
                .notFound, "there is no user \(text); make one (useradd --system \(text)), or write UID:GID")
        }
    }
}
