internal import BPFLoader
public import ServiceMaps
internal import SystemPackage

/// One go over the sockets of all network namespaces: first it counts, then it destroys where it has found some.
public struct Sweep: Sendable {
    private let destroyer: any SocketDestroyer
    private let namespaces: @Sendable () -> NetworkNamespaces

    /// - Parameter namespaces: where to go, asked at each sweep.
    public init(
        _ destroyer: any SocketDestroyer,
        namespaces: @escaping @Sendable () -> NetworkNamespaces = { NetworkNamespaces.find() }
    ) {
        self.destroyer = destroyer
        self.namespaces = namespaces
    }

    /// What a sweep found and did.
    public struct Outcome: Sendable {
        public var counts: [RemovedBackend: SocketCounts] = [:]
        /// Those that were gone over.
        public var namespaces = 0
        /// Why others could not be, by the first of them.
        public var unreachable: Unreachable?
        /// Why a walk failed, by the first that did.
        public var failure: String?
    }

    /// Network namespaces that were not gone over.
    public struct Unreachable: Sendable, Hashable {
        public var namespaces: Int
        public var cause: String
    }

    /// Goes over the sockets; a thread of its own does the work.
    ///
    /// - Parameters:
    ///   - permits: how many sockets may be destroyed.
    ///   - found: told what is about to be destroyed, once and only if there is something.
    public func run(
        _ gone: [RemovedBackend], permits: Int, found: @escaping @Sendable (SocketCounts, _ namespaces: Int) -> Void
    ) async -> Outcome {
        guard !gone.isEmpty else { return Outcome() }
        do throws(ThreadError) {
            var (outcome, places) = try await OwnThread.run { count(gone) }
            guard !places.isEmpty else { return outcome }
            found(outcome.counts.total, places.count)
            let withSockets = places
            let destroyed = try await OwnThread.run { destroy(gone, in: withSockets, permits: permits) }
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

    /// Counts, and names the namespaces that have sockets to destroy.
    private func count(_ gone: [RemovedBackend]) -> (Outcome, [NamespacePath]) {
        let namespaces = namespaces()
        var places: [NamespacePath] = []
        var outcome = visit(namespaces.places) { place in
            let counts = try destroyer.walk(gone, .count)
            if !counts.isEmpty { places.append(place) }
            return counts
        }
        if namespaces.hidden > 0, outcome.unreachable == nil {
            outcome.unreachable = Unreachable(
                namespaces: namespaces.hidden, cause: "cannot read /proc/PID/ns/net of others; grant CAP_SYS_PTRACE")
        }
        return (outcome, places)
    }

    private func destroy(_ gone: [RemovedBackend], in places: [NamespacePath], permits: Int) -> Outcome {
        var left = permits
        return visit(places) { _ in
            let counts = try destroyer.walk(gone, .destroy(permits: left))
            left -= counts.total.destroyed
            return counts
        }
    }

    /// Enters one after the other; the thread ends in the last.
    private func visit(
        _ places: [NamespacePath], _ body: (NamespacePath) throws -> [RemovedBackend: SocketCounts]
    ) -> Outcome {
        var outcome = Outcome()
        var isAtHome = true
        for place in places {
            do throws(BPFError) {
                // Needs no right as long as the thread has not gone anywhere.
                if place.path != NetworkNamespaces.ownPath || !isAtHome { try NetworkNamespace.enter(place.path) }
                isAtHome = false
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
                outcome.counts.merge(try body(place)) { $0 + $1 }
            } catch {
                outcome.failure = outcome.failure ?? "\(error)"
            }
        }
        return outcome
    }
}
