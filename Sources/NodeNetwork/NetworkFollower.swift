import CRtnetlink
import Netlink
import Dispatch
import Glibc
import ServiceModel
import Synchronization
import SystemPackage

/// Reads the network anew a moment after the kernel told of a change.
///
/// To apply the notices themselves would be a second account of the same facts, and one that goes wrong when a notice
/// is lost. What happens within one pause costs one reading.
final class NetworkFollower: Sendable {
    /// Long enough for a device to get its addresses and routes, short enough not to be noticed.
    private static let pause = Duration.milliseconds(20)
    /// After a change of a route that is no default: a node may have one for each pod, and routing daemons change many.
    private static let longPause = Duration.milliseconds(200)
    /// However large the tables are, to read them takes no more than this part of a processor's time.
    private static let share = 20

    let queue = DispatchQueue(label: "swiftlet.network")
    let notices: NetlinkSocket
    private let questions: NetlinkSocket
    /// Told of IPsec policies; not everybody may, and not every kernel has them.
    let ipsecNotices: Result<IPsecSocket, NetworkError>
    private let ipsecQuestions: Result<IPsecSocket, NetworkError>
    private let continuation: AsyncStream<Result<NetworkSnapshot, NetworkError>>.Continuation
    private let state: Mutex<State>

    private struct State {
        /// When the next reading begins.
        var next: ContinuousClock.Instant?
        /// When the last one ended, and how long it took, without what others did meanwhile on a busy machine.
        var ended = ContinuousClock.now
        var took = Duration.zero
        var last: NetworkSnapshot
    }

    private enum News: Comparable {
        case none, route, other
    }

    init(_ continuation: AsyncStream<Result<NetworkSnapshot, NetworkError>>.Continuation) throws(NetworkError) {
        notices = try NetlinkSocket(
            groups: RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE)
        // Of its own, so that answers need not be told from notices.
        questions = try NetlinkSocket()
        ipsecNotices = Result { () throws(NetworkError) in try IPsecSocket(follows: true) }
        // What cannot be followed is not read either: it would be out of date.
        ipsecQuestions = ipsecNotices.flatMap { _ in Result { () throws(NetworkError) in try IPsecSocket() } }
        let first = try NetworkSnapshot.read(from: questions, ipsecQuestions)
        state = Mutex(State(last: first))
        self.continuation = continuation
        continuation.yield(.success(first))
    }

    /// Takes the notices that are there; those about routes of other tables are not ours.
    func hear() {
        var news = News.none
        while true {
            switch notices.receive(flags: Int32(MSG_DONTWAIT)) {
            case .success(let messages): news = messages.lazy.map(Self.news).reduce(news, max)
            // Notices were lost: anything may have changed.
            case .failure(.noBufferSpace): news = .other
            case .failure(.wouldBlock):
                if news != .none { readSoon(after: news == .route ? Self.longPause : Self.pause) }
                return
            case .failure(let cause): return end(NetworkError(.follow, "the network", cause))
            }
        }
    }

    /// Takes the notices about IPsec policies, each of which may be about us.
    func hearOfPolicies() {
        guard case .success(let socket) = ipsecNotices else { return }
        while true {
            switch socket.netlink.receive(flags: Int32(MSG_DONTWAIT)) {
            case .success, .failure(.noBufferSpace): continue
            case .failure(.wouldBlock): return readSoon(after: Self.pause)
            case .failure(let cause): return end(NetworkError(.follow, "IPsec policies", cause))
            }
        }
    }

    private static func news(_ message: NetlinkMessage) -> News {
        guard message.type == RTM_NEWROUTE || message.type == RTM_DELROUTE else { return .other }
        guard let routes = NetworkRoute.all(message) else { return .none }
        return routes.contains { $0.destination.prefixLength == 0 } ? .other : .route
    }

    private func readSoon(after pause: Duration) {
        let next: ContinuousClock.Instant? = state.withLock { state in
            let next = max(.now + pause, state.ended + state.took * Self.share)
            // One that comes earlier does for both.
            if let planned = state.next, planned <= next { return nil }
            state.next = next
            return next
        }
        guard let next else { return }
        let wait = DispatchTimeInterval.microseconds(Int((next - .now) / .microseconds(1)))
        queue.asyncAfter(deadline: .now() + wait) { self.read(planned: next) }
    }

    /// Ends the pause before it reads: what changes from now on is told again.
    private func read(planned: ContinuousClock.Instant) {
        let isWanted = state.withLock { state in
            guard state.next == planned else { return false }
            state.next = nil
            return true
        }
        if isWanted { read() }
    }

    private func read() {
        let start = Self.processorTime
        do throws(NetworkError) {
            let snapshot = try NetworkSnapshot.read(from: questions, ipsecQuestions)
            let isNew = state.withLock { state in
                defer { state.last = snapshot }
                state.ended = .now
                state.took = Self.processorTime - start
                return state.last != snapshot
            }
            if isNew { continuation.yield(.success(snapshot)) }
        } catch  where error.cause == .resourceTemporarilyUnavailable {
            // It changes faster than it can be read.
            readSoon(after: Self.pause)
        } catch {
            end(error)
        }
    }

    /// Of this thread.
    private static var processorTime: Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// The reader gets the error as the last thing.
    private func end(_ error: NetworkError) {
        continuation.yield(.failure(error))
        continuation.finish()
    }
}
