internal import BPFLoader
internal import Netlink
internal import SystemPackage

/// How the sockets of one network namespace are looked at.
package enum NamespaceView: Sendable {
    /// The calling thread is in it.
    case thread
    /// Another process opens what looks at them.
    case lent(LentNamespaces, inode: UInt64)

    /// Walks over its sockets once.
    func run(_ iterator: borrowing BPFIterator) throws(BPFError) {
        switch self {
        case .thread: try iterator.run()
        case .lent(let lender, let inode):
            try iterator.run { link throws(BPFError) in try lender.iterate(link, in: inode) }
        }
    }

    /// A conversation about its sockets.
    func diagnosis() throws -> SocketDiagnosis {
        switch self {
        case .thread: try SocketDiagnosis()
        case .lent(let lender, let inode): try SocketDiagnosis(adopting: lender.diagnose(in: inode))
        }
    }
}
