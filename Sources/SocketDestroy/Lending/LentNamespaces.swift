internal import BPFLoader
internal import CNamespaces
import Glibc
internal import Synchronization
package import SystemPackage

/// What a process lends that may enter network namespaces, to one that may not.
package final class LentNamespaces: Sendable {
    private let connection: Mutex<Connection>
    /// The namespaces, by their inode numbers.
    let inodes: [UInt64]
    /// Processes whose namespace it could not look up.
    let hidden: Int
    /// What it lends may destroy sockets over netlink.
    package let mayKill: Bool

    private struct Connection: ~Copyable {
        let loan: LoanConnection
    }

    /// Asks the process that listens there; nil without one, or if its answer is wrong.
    package init?(at path: FilePath) {
        guard let loan = Self.connect(path) else { return nil }
        var order = swl_order()
        order.kind = SWL_LIST.rawValue
        guard (try? loan.send(order)) != nil, let answer = try? loan.receive(swl_answer.self), answer.head.error == 0
        else { return nil }
        let inodes = [UInt64](plainBytes: answer.rest)
        guard inodes.count == Int(answer.head.count) else { return nil }
        self.inodes = inodes
        hidden = Int(answer.head.hidden)
        mayKill = answer.head.may_kill != 0
        connection = Mutex(Connection(loan: loan))
    }

    /// Whether a process can be asked at all.
    package static func isOffered(at path: FilePath) -> Bool { connect(path) != nil }

    private static func connect(_ path: FilePath) -> LoanConnection? {
        let opened = socket(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard opened >= 0 else { return nil }
        let loan = LoanConnection(adopting: opened)
        loan.limit(seconds: 10)
        // What it opens is believed: it must be our own user's, or root's.
        guard withUnixAddress(path, { Glibc.connect(opened, $0, $1) }) == 0, loan.isOfOwnUser else { return nil }
        return loan
    }

    // MARK: In a namespace

    /// A walk of an iterator over the sockets of a namespace.
    func iterate(_ link: CInt, in inode: UInt64) throws(BPFError) -> FileDescriptor {
        try open(SWL_ITERATE, in: inode, link: link)
    }

    /// A socket that speaks about the sockets of a namespace.
    func diagnose(in inode: UInt64) throws(BPFError) -> FileDescriptor { try open(SWL_DIAGNOSE, in: inode) }

    /// Has UDP sockets connected anew.
    ///
    /// - Returns: how many.
    func connect(_ sockets: [swl_socket], in inode: UInt64) throws(BPFError) -> Int {
        let most = (Int(SWL_LONGEST_MESSAGE) - MemoryLayout<swl_order>.size) / MemoryLayout<swl_socket>.stride
        var (connected, rest) = (0, sockets[...])
        while !rest.isEmpty {
            let part = Array(rest.prefix(most))
            rest = rest.dropFirst(part.count)
            connected += Int(try ask(SWL_CONNECT, in: inode, part).head.count)
        }
        return connected
    }

    private func open(_ kind: swl_order_kind, in inode: UInt64, link: CInt = -1) throws(BPFError) -> FileDescriptor {
        guard let descriptor = try ask(kind, in: inode, link: link).descriptor else {
            throw BPFError(.enter, "network namespace net:[\(inode)]", .badFileDescriptor, advice: Self.advice)
        }
        return descriptor
    }

    private func ask(
        _ kind: swl_order_kind, in inode: UInt64, _ sockets: [swl_socket] = [], link: CInt = -1
    ) throws(BPFError) -> LoanConnection.Message<swl_answer> {
        var order = swl_order()
        order.kind = kind.rawValue
        order.count = UInt32(sockets.count)
        order.namespace_inode = inode
        let wanted = order
        let result = connection.withLock { connection -> Result<LoanConnection.Message<swl_answer>, Errno> in
            do throws(Errno) {
                try connection.loan.send(wanted, sockets.plainBytes, descriptor: link)
                guard let answer = try connection.loan.receive(swl_answer.self) else {
                    return .failure(.connectionReset)
                }
                return answer.head.error == 0 ? .success(answer) : .failure(Errno(rawValue: answer.head.error))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let answer): return answer
        case .failure(let cause):
            throw BPFError(.enter, "network namespace net:[\(inode)]", cause, advice: Self.advice)
        }
    }

    private static let advice = "look at the log of `swiftlet namespaces`"
}
