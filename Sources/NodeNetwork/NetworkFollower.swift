import CRtnetlink
import Netlink
import Dispatch
import Glibc
import Synchronization
import SystemPackage

/// Reads the network anew a moment after the kernel told of a change.
///
/// To apply the notices themselves would be a second account of the same facts, and one that goes wrong when a notice
/// is lost. What happens within one pause costs one reading.
final class NetworkFollower: Sendable {
    /// Long enough for a device to get its addresses and routes, short enough for nobody to wait.
    private static let pause = DispatchTimeInterval.milliseconds(20)

    let queue = DispatchQueue(label: "swiftlet.network")
    let notices: NetlinkSocket
    private let questions: NetlinkSocket
    private let continuation: AsyncStream<Result<NetworkSnapshot, NetworkError>>.Continuation
    private let state: Mutex<State>

    private struct State {
        var isReadingSoon = false
        var last: NetworkSnapshot
    }

    init(_ continuation: AsyncStream<Result<NetworkSnapshot, NetworkError>>.Continuation) throws(NetworkError) {
        notices = try NetlinkSocket(
            groups: RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE)
        // Of its own, so that answers need not be told from notices.
        questions = try NetlinkSocket()
        let first = try NetworkSnapshot.read(from: questions)
        state = Mutex(State(last: first))
        self.continuation = continuation
        continuation.yield(.success(first))
    }

    /// Takes the notices that are there; those about other routes than default ones, which may be many, are not ours.
    func hear() {
        var isNews = false
        while true {
            switch notices.receive(flags: Int32(MSG_DONTWAIT)) {
            case .success(let messages): isNews = isNews || messages.contains(where: Self.concernsUs)
            // Notices were lost: anything may have changed.
            case .failure(.noBufferSpace): isNews = true
            case .failure(.wouldBlock):
                if isNews { readSoon() }
                return
            case .failure(let cause): return end(NetworkError(.follow, "the network", cause))
            }
        }
    }

    private static func concernsUs(_ message: NetlinkMessage) -> Bool {
        let isRoute = message.type == RTM_NEWROUTE || message.type == RTM_DELROUTE
        return !isRoute || DefaultRoute.all(message) != nil
    }

    private func readSoon() {
        let isFirst = state.withLock { state in
            defer { state.isReadingSoon = true }
            return !state.isReadingSoon
        }
        if isFirst { queue.asyncAfter(deadline: .now() + Self.pause) { self.read() } }
    }

    /// Ends the pause before it reads: what changes from now on is told again.
    private func read() {
        state.withLock { $0.isReadingSoon = false }
        do throws(NetworkError) {
            let snapshot = try NetworkSnapshot.read(from: questions)
            let isNew = state.withLock { state in
                defer { state.last = snapshot }
                return state.last != snapshot
            }
            if isNew { continuation.yield(.success(snapshot)) }
        } catch  where error.cause == .resourceTemporarilyUnavailable {
            // It changes faster than it can be read.
            readSoon()
        } catch {
            end(error)
        }
    }

    /// The reader gets the error as the last thing.
    private func end(_ error: NetworkError) {
        continuation.yield(.failure(error))
        continuation.finish()
    }
}
