import CNetworkLab
import Glibc

/// An epoll set: tells which of many descriptors can be read or written.
package struct ReadinessSet: ~Copyable {
    package enum Interest: Sendable {
        case reading
        case writing

        fileprivate var events: UInt32 { self == .reading ? EPOLLIN.rawValue : EPOLLOUT.rawValue }
    }

    private let set: Descriptor
    private var events = [epoll_event](repeating: epoll_event(), count: 256)

    package init() throws(SocketError) {
        let raw = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard raw >= 0 else { throw SocketError("epoll_create1", errno) }
        set = Descriptor(adopting: raw)
    }

    /// Adds a descriptor, to be read; closing it takes it out.
    package func add(_ descriptor: CInt) throws(SocketError) {
        try control(EPOLL_CTL_ADD, descriptor, .reading)
    }

    /// Says what the owner of a descriptor waits for from now on.
    package func change(_ descriptor: CInt, to interest: Interest) throws(SocketError) {
        try control(EPOLL_CTL_MOD, descriptor, interest)
    }

    private func control(_ operation: CInt, _ descriptor: CInt, _ interest: Interest) throws(SocketError) {
        var event = epoll_event(events: interest.events, data: epoll_data_t(fd: descriptor))
        guard epoll_ctl(set.rawValue, operation, descriptor, &event) == 0 else { throw SocketError("epoll_ctl", errno) }
    }

    /// Waits for descriptors that are ready, at most half a second: a signal may come just before the wait.
    package mutating func wait() throws(SocketError) -> [CInt] {
        let count = epoll_wait(set.rawValue, &events, CInt(events.count), 500)
        if count < 0 && errno == EINTR { return [] }
        guard count >= 0 else { throw SocketError("epoll_wait", errno) }
        return events[..<Int(count)].map(\.data.fd)
    }
}
