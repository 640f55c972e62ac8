internal import BPFLoader
internal import CNamespaces
internal import CRtnetlink
import Glibc
package import SystemPackage

/// The process that may enter network namespaces, and does nothing else: for a daemon that may not, it opens there what
/// looks at sockets, and connects UDP sockets anew.
///
/// It looks at no map, loads no program and takes no descriptor away: what it opens works for the daemon because the
/// kernel binds it to the namespace in which it was opened.
package struct NamespaceLender {
    private let path: FilePath
    private let mayKill: Bool
    /// Where the namespaces of the last list are.
    private var places: [UInt64: FilePath] = [:]
    /// The namespace in which it began, by a descriptor that stays open.
    private var home: FilePath?

    /// - Parameters:
    ///   - path: the unix socket that the daemon asks.
    ///   - mayKill: this process has CAP_NET_ADMIN, for kernels before 6.5.
    package init(at path: FilePath, mayKill: Bool) {
        self.path = path
        self.mayKill = mayKill
    }

    /// Serves one daemon after the other; returns only when it cannot.
    ///
    /// - Parameter ready: called when it may be asked, before the process confines itself.
    package mutating func run(ready: () -> Void) throws(LendingError) {
        let listener = try listen()
        defer { close(listener) }
        swl_end_at_signals()
        let own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)
        guard own >= 0 else {
            throw LendingError("cannot open /proc/self/ns/net", .init(rawValue: errno), "mount /proc")
        }
        defer { close(own) }
        home = FilePath("/proc/self/fd/\(own)")
        ready()
        let status = swl_confine()
        guard status == 0 else {
            throw LendingError("cannot filter system calls", Errno(rawValue: -status), "allow prctl in the sandbox")
        }
        while true {
            let accepted = swl_accept(listener)
            guard accepted >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                throw LendingError("cannot accept on \(path)", .init(rawValue: errno), "restart it")
            }
            serve(LoanConnection(adopting: accepted))
        }
    }

    private func listen() throws(LendingError) -> CInt {
        let listener = socket(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)
        _ = path.withPlatformString { unlink($0) }
        let mask = umask(0o177)
        defer { umask(mask) }
        guard listener >= 0, withUnixAddress(path, { bind(listener, $0, $1) }) == 0, Glibc.listen(listener, 8) == 0
        else {
            throw LendingError(
                "cannot listen on \(path)", .init(rawValue: errno), "run as the daemon's user, after `swiftlet prepare`"
            )
        }
        return listener
    }

    private mutating func serve(_ connection: consuming LoanConnection) {
        guard connection.isOfOwnUser else { return }
        // A daemon that hangs does not keep the next one waiting.
        connection.limit(seconds: 10)
        while let order = try? connection.receive(swl_order.self) {
            let outcome = answer(order.head, order.rest, order.descriptor)
            try? order.descriptor?.close()
            let sent: Void? = try? connection.send(
                outcome.head, outcome.rest, descriptor: outcome.descriptor?.rawValue ?? -1)
            try? outcome.descriptor?.close()
            guard sent != nil else { return }
        }
    }

    // MARK: Answers

    private typealias Answer = LoanConnection.Message<swl_answer>

    private mutating func answer(_ order: swl_order, _ rest: [UInt8], _ link: FileDescriptor?) -> Answer {
        switch swl_order_kind(order.kind) {
        case SWL_LIST: return list()
        case SWL_ITERATE:
            guard let link else { return Self.refusal(.badFileDescriptor) }
            return inside(order) { swl_iterate(link.rawValue) }
        case SWL_DIAGNOSE:
            return inside(order) {
                let opened = socket(AF_NETLINK, CInt(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), NETLINK_SOCK_DIAG)
                return opened < 0 ? -errno : opened
            }
        case SWL_CONNECT:
            let sockets = [swl_socket](plainBytes: rest)
            guard sockets.count == Int(order.count), let place = places[order.namespace_inode] else {
                return Self.refusal(.invalidArgument)
            }
            var answer = swl_answer()
            answer.count = UInt32(Reconnection(sockets).run(in: order.namespace_inode, place))
            return Answer(head: answer)
        default: return Self.refusal(.invalidArgument)
        }
    }

    private mutating func list() -> Answer {
        let found = NetworkNamespaces.find()
        let room = (Int(SWL_LONGEST_MESSAGE) - MemoryLayout<swl_answer>.size) / MemoryLayout<UInt64>.size
        let listed = found.places.prefix(room)
        places = Dictionary(listed.map { ($0.inode, $0.path) }) { first, _ in first }
        var answer = swl_answer()
        answer.count = UInt32(listed.count)
        answer.hidden = UInt32(found.hidden + found.places.count - listed.count)
        answer.may_kill = mayKill ? 1 : 0
        return Answer(head: answer, rest: listed.map(\.inode).plainBytes)
    }

    /// Enters a namespace, opens something there, and goes home: a namespace lives as long as a thread is in it, and with
    /// it the devices of a pod that has ended.
    private func inside(_ order: swl_order, _ open: () -> CInt) -> Answer {
        guard let path = places[order.namespace_inode] else { return Self.refusal(.noSuchFileOrDirectory) }
        do throws(BPFError) {
            try NetworkNamespace.enter(path)
        } catch {
            return Self.refusal(error.cause)
        }
        let opened = open()
        if let home { try? NetworkNamespace.enter(home) }
        guard opened >= 0 else { return Self.refusal(Errno(rawValue: -opened)) }
        return Answer(head: swl_answer(), descriptor: FileDescriptor(rawValue: opened))
    }

    private static func refusal(_ cause: Errno) -> Answer {
        var answer = swl_answer()
        answer.error = cause.rawValue
        return Answer(head: answer)
    }
}

/// Why no namespaces can be lent.
package struct LendingError: Error, CustomStringConvertible {
    package let description: String

    init(_ what: String, _ cause: Errno, _ advice: String) { description = "\(what): \(cause); \(advice)" }
}
