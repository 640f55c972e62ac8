import SystemCalls
import SystemPackage

/// Why a state cache cannot be used or written. Whatever it is: the cache is not used, and the next one replaces it.
package struct StateCacheError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Cause: Hashable, Sendable {
        /// There is none.
        case missing
        /// It ends before its last line.
        case truncated
        /// Its bytes are not those that were written.
        case damaged(String)
        /// It is of another format version.
        case otherVersion(Int)
        /// It belongs to another node.
        case otherNode(String)
        /// It belongs to another cluster.
        case otherCluster
        /// The system refused: the number of its error.
        case unreadable(Int32)
        case unwritable(Int32)
    }

    package var path: String
    package var cause: Cause

    package init(_ cause: Cause, path: String) {
        self.path = path
        self.cause = cause
    }

    package var description: String {
        switch cause {
        case .missing: "cannot read state cache \(path): there is none; wait for the API server, then one is written"
        case .truncated: "cannot use state cache \(path): it ends too early; \(Self.advice)"
        case .damaged(let what): "cannot use state cache \(path): \(what); \(Self.advice)"
        case .otherVersion(let version):
            """
            cannot use state cache \(path): it has format version \(version), and this program reads \
            \(StateCache.version); \(Self.advice)
            """
        case .otherNode(let node):
            "cannot use state cache \(path): it is that of node \(node.oneLine()); \(Self.advice)"
        case .otherCluster:
            "cannot use state cache \(path): it is that of another cluster; \(Self.advice)"
        case .unreadable(let number):
            "cannot read state cache \(path): \(Errno(rawValue: number).plainText); let swiftlet read it, or check the file system"
        case .unwritable(let number):
            "cannot write state cache \(path): \(Errno(rawValue: number).plainText); make room, or let swiftlet write its directory"
        }
    }

    private static let advice = "wait for the API server's list, which replaces it"
}
