internal import BPFLoader
internal import CNamespaces
import Glibc
package import ServiceMaps
internal import ServiceModel
internal import SystemPackage

/// One go over the sockets of all network namespaces: first it counts, then it destroys where it has found some.
package struct Sweep: Sendable {
    private let destroyer: any SocketDestroyer
    private let reviver: SocketReviver?
    private let namespaces: @Sendable () -> NetworkNamespaces

    /// - Parameters:
    ///   - reviver: connects UDP sockets anew; nil: they are destroyed, and that is all.
    ///   - namespaces: where to go, asked at each sweep.
    package init(
        _ destroyer: any SocketDestroyer, reviver: SocketReviver? = nil,
        namespaces: @escaping @Sendable () -> NetworkNamespaces = { NetworkNamespaces.find() }
    ) {
        self.destroyer = destroyer
        self.reviver = reviver
        self.namespaces = namespaces
    }

    /// What a sweep found and did.
    package struct Outcome: Sendable {
        package var counts: [RemovedBackend: SocketCounts] = [:]
        /// Those that were gone over.
        package var namespaces = 0
        /// Why others could not be, by the first of them.
        package var unreachable: Unreachable?
        /// Why a walk failed, by the first that did.
        package var failure: String?
    }

    /// Network namespaces that were not gone over.
    package struct Unreachable: Sendable, Hashable {
        package var namespaces: Int
        package var cause: String
    }

    /// Goes over the sockets; a thread of its own does the work.
    ///
    /// - Parameters:
    ///   - awakened: frontends at which sockets may wait.
    ///   - permits: how many sockets may be destroyed.
    ///   - found: told what is about to be destroyed, once and only if there is something.
    package func run(
        _ gone: [RemovedBackend], awakened: [AwakenedFrontend] = [], permits: Int,
        found: @escaping @Sendable (SocketCounts, _ namespaces: Int) -> Void
    ) async -> Outcome {
        // No TCP socket with a way back waits: its connect is refused at once.
        let waited = awakened.filter { $0.service.proto == .udp && $0.servesAll }
        let all = gone + waited.map(RemovedBackend.init(waitingAt:))
        guard !gone.isEmpty || !awakened.isEmpty else { return Outcome() }
        do throws(ThreadError) {
            var (outcome, places, lender) = try await OwnThread.run { count(all, gone, awakened) }
            guard !places.isEmpty else { return outcome }
            if outcome.counts.total.found > 0 { found(outcome.counts.total, places.count) }
            let (withSockets, sameLender) = (places, lender)
            let destroyed = try await OwnThread.run {
                destroy(gone, awakened, in: withSockets, lender: sameLender, permits: permits)
            }
            outcome.counts = destroyed.counts
            outcome.failure = outcome.failure ?? destroyed.failure
            outcome.unreachable = outcome.unreachable ?? destroyed.unreachable
            return outcome
        } catch {
            var outcome = Outcome()
            outcome.failure = "\(error)"
            return outcome
        }
    }

    /// A namespace that has something to do, and which sockets may be connected anew.
    private struct Place: Sendable {
        var path: NamespacePath
        var stuck: [SocketReviver.Stuck]
    }

    /// Counts, and names the namespaces that have sockets to destroy.
    private func count(
        _ all: [RemovedBackend], _ gone: [RemovedBackend], _ awakened: [AwakenedFrontend]
    ) -> (Outcome, [Place], LentNamespaces?) {
        let namespaces = namespaces()
        var places: [Place] = []
        var outcome = visit(namespaces.places, lender: namespaces.lender) { path, view in
            let counts = try destroyer.walk(all, .count, in: view)
            let stuck = counts.isEmpty && awakened.isEmpty ? [] : list(gone, awakened, in: view)
            if !counts.isEmpty || !stuck.isEmpty { places.append(Place(path: path, stuck: stuck)) }
            return counts
        }
        if namespaces.hidden > 0, outcome.unreachable == nil {
            outcome.unreachable = Unreachable(
                namespaces: namespaces.hidden, cause: "cannot read /proc/PID/ns/net of others; grant CAP_SYS_PTRACE")
        }
        return (outcome, places, namespaces.lender)
    }

    /// Those that may be connected anew. What cannot be listed, though it was tried twice, is destroyed and no more.
    private func list(
        _ gone: [RemovedBackend], _ awakened: [AwakenedFrontend], in view: NamespaceView
    ) -> [SocketReviver.Stuck] {
        guard let reviver else { return [] }
        return (try? reviver.find(gone, awakened, in: view)) ?? (try? reviver.find(gone, awakened, in: view)) ?? []
    }

    private func destroy(
        _ gone: [RemovedBackend], _ awakened: [AwakenedFrontend], in places: [Place], lender: LentNamespaces?,
        permits: Int
    ) -> Outcome {
        var left = permits
        let holders = SocketHolders(
            of: Set(places.filter { !$0.path.isLent(lender) }.flatMap(\.stuck).map(\.socket.inode)))
        let stuck = Dictionary(places.map { ($0.path, $0.stuck) }) { $0 + $1 }
        return visit(places.map(\.path), lender: lender) { path, view in
            if case .lent(let lender, let inode) = view {
                // Once destroyed a socket says no more where it led: it is listed just before, whatever was then.
                let stuck = list(gone, awakened, in: view)
                var counts = try destroyer.walk(gone, .destroy(permits: left), in: view)
                left -= counts.total.destroyed
                let connects = stuck.filter { $0.proto == .tcp }.prefix(max(0, left))
                if let first = connects.first {
                    let ended = try end(connects, of: .tcp, in: view)
                    left -= ended
                    counts[first.place, default: .init()] += SocketCounts(found: ended, destroyed: ended)
                }
                let again = try Self.reconnect(stuck, lender, inode)
                if again.revived > 0, let first = stuck.first(where: { $0.proto == .udp }) {
                    counts[first.place, default: .init()] += again
                }
                // What has been connected anew waits no more.
                let cookies = Set(stuck.filter { $0.mayEndFor != nil }.map(\.socket.cookie))
                let missed = cookies.isEmpty ? [] : list([], awakened, in: view)
                let given = try endMissed(
                    missed.filter { cookies.contains($0.socket.cookie) }, permits: left, in: view)
                left -= given.total.destroyed
                counts.merge(given) { $0 + $1 }
                return counts
            }
            var (counts, missed) = revive(stuck[path] ?? [], holders, permits: left)
            left -= counts.total.destroyed
            let ended = try destroyer.walk(gone, .destroy(permits: left))
            left -= ended.total.destroyed
            counts.merge(ended) { $0 + $1 }
            let given = try endMissed(missed, permits: left, in: view)
            left -= given.total.destroyed
            counts.merge(given) { $0 + $1 }
            return counts
        }
    }

    /// Ends sockets of UDP that waited and could not be connected anew. Only those that were seen to wait: others may wait
    /// rightly by now, for a Service that has lost its endpoints again.
    private func endMissed(
        _ missed: [SocketReviver.Stuck], permits: Int, in view: NamespaceView
    ) throws -> [RemovedBackend: SocketCounts] {
        var counts: [RemovedBackend: SocketCounts] = [:]
        let all = (reviver?.mayBeEnded(missed) ?? []).prefix(max(0, permits))
        for (place, sockets) in Dictionary(grouping: all, by: \.place) {
            let ended = try end(sockets[...], of: .udp, in: view)
            if ended > 0 { counts[place] = SocketCounts(found: ended, destroyed: ended) }
        }
        return counts
    }

    /// Sockets that wait, of one protocol.
    private func end(
        _ waiting: ArraySlice<SocketReviver.Stuck>, of proto: IPProtocol, in view: NamespaceView
    ) throws -> Int {
        if let ended = try destroyer.endWaiting(waiting.map(\.socket.cookie), of: proto, in: view) { return ended }
        guard let transport = Transport(reviving: proto) else { return 0 }
        let diagnosis = try view.diagnosis()
        return waiting.count {
            if case .destroyed = diagnosis.destroy($0.socket, transport) { true } else { false }
        }
    }

    /// - Returns: what it did, and the sockets that it could not connect.
    private func revive(
        _ stuck: [SocketReviver.Stuck], _ holders: SocketHolders, permits: Int
    ) -> ([RemovedBackend: SocketCounts], missed: [SocketReviver.Stuck]) {
        var counts: [RemovedBackend: SocketCounts] = [:]
        var missed: [SocketReviver.Stuck] = []
        var left = permits
        func add(_ socket: SocketReviver.Stuck, _ done: SocketCounts) {
            counts[socket.place] = (counts[socket.place] ?? SocketCounts()) + done
            left -= done.destroyed
        }
        for socket in stuck where left > 0 {
            switch reviver?.revive(socket, heldBy: holders) {
            case .revived:
                add(socket, SocketCounts(found: 1, destroyed: socket.wasServed ? 1 : 0, revived: 1))
            case .destroyed: add(socket, SocketCounts(found: 1, destroyed: 1))
            case .failed: missed.append(socket)
            case .gone, nil: break
            }
        }
        return (counts, missed)
    }

    /// How often it is tried: afterwards it is no longer known where a socket led.
    private static let tries = 3

    /// UDP's, after they were destroyed: by the process that lends the namespace.
    private static func reconnect(
        _ stuck: [SocketReviver.Stuck], _ lender: LentNamespaces, _ inode: UInt64
    ) throws(BPFError) -> SocketCounts {
        let sockets = stuck.filter { $0.proto == .udp }.map(swl_socket.init)
        guard !sockets.isEmpty else { return SocketCounts() }
        // One that leads somewhere is left alone: only those are tried again that were missed.
        var revived = try lender.connect(sockets, in: inode)
        for _ in 1..<tries where revived < sockets.count {
            usleep(10_000)
            revived += try lender.connect(sockets, in: inode)
        }
        return SocketCounts(revived: revived)
    }

    /// Enters one after the other; the thread ends in the last. What is lent is not entered.
    private func visit(
        _ places: [NamespacePath], lender: LentNamespaces?,
        _ body: (NamespacePath, NamespaceView) throws -> [RemovedBackend: SocketCounts]
    ) -> Outcome {
        var outcome = Outcome()
        var isAtHome = true
        for place in places {
            do throws(BPFError) {
                // Needs no right as long as the thread has not gone anywhere.
                if !place.isLent(lender), place.path != NetworkNamespaces.ownPath || !isAtHome {
                    try NetworkNamespace.enter(place.path)
                    isAtHome = false
                }
            } catch {
                // The process has ended; if others are in there, the next sweep finds them.
                if error.cause == .noSuchFileOrDirectory { continue }
                let known = outcome.unreachable
                outcome.unreachable = Unreachable(
                    namespaces: (known?.namespaces ?? 0) + 1, cause: known?.cause ?? "\(error)")
                continue
            }
            outcome.namespaces += 1
            do {
                let view = lender.flatMap { place.isLent($0) ? NamespaceView.lent($0, inode: place.inode) : nil }
                outcome.counts.merge(try body(place, view ?? .thread)) { $0 + $1 }
            } catch let error as BPFError where error.cause == .noSuchFileOrDirectory {
                continue
            } catch {
                outcome.failure = outcome.failure ?? "\(error)"
            }
        }
        return outcome
    }
}

extension NamespacePath {
    /// Whether it is another process that may enter it.
    fileprivate func isLent(_ lender: LentNamespaces?) -> Bool { lender != nil && path != NetworkNamespaces.ownPath }
}

extension swl_socket {
    fileprivate init(_ stuck: SocketReviver.Stuck) {
        self.init()
        cookie = stuck.socket.cookie
        withUnsafeMutableBytes(of: &vip) { $0.copyBytes(from: stuck.vip.address) }
        port = stuck.vip.port
        is_v4 = stuck.socket.family == UInt8(AF_INET) ? 1 : 0
        waits = stuck.wasServed ? 0 : stuck.mustBeSilent ? 2 : 1
    }
}
