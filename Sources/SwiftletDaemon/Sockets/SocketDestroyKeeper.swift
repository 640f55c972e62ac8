import DatapathInstall
import Logging
import ServiceLifecycle
import ServiceMaps
import ServiceModel
import Settings
import SocketDestroy
import SystemPackage

/// Ends the sockets of backends that went away, as soon as the maps are rid of them (spec 32), and leads UDP sockets to who
/// serves instead: those too that wait at a VIP which serves at last.
///
/// Each is looked for twice: at once, and when half a second has passed. A connect that had chosen it may have been
/// between our hook and its end the first time.
actor SocketDestroyKeeper {
    private let settings: SocketDestroySettings
    private let choice: DestroyChoice
    /// Which sockets the hooks lead anywhere.
    private let serving: SocketService
    private let sweep: Sweep?
    /// Frontends at which sockets wait, whoever left them there.
    private let awaited: @Sendable () throws -> [AwakenedFrontend]
    /// Where `swiftlet namespaces` is asked.
    private let lender: FilePath
    private let log: Logger
    private var permits: DestroyPermits
    private var pending: [RemovedBackend: ContinuousClock.Instant] = [:]
    private var awakened: [AwakenedFrontend: ContinuousClock.Instant] = [:]
    private var isFresh = false
    private var state: SocketDestroyReport
    private nonisolated let wishes: AsyncStream<Void>
    private let wish: AsyncStream<Void>.Continuation

    /// Longer than any connect is under way inside the kernel.
    private static let latestConnect = Duration.milliseconds(500)
    /// By then a connect of TCP that waits has said so by a second SYN, a second after its first (RFC 6298 2.1).
    private static let secondSYN = Duration.milliseconds(1_250)
    /// So long it is tried again when it fails.
    private static let patience = Duration.seconds(60)

    init(
        _ settings: SocketDestroySettings, _ choice: DestroyChoice, serving: SocketService,
        awaited: @escaping @Sendable () throws -> [AwakenedFrontend],
        namespaces: @escaping @Sendable () -> NetworkNamespaces, lender: FilePath, log: Logger
    ) {
        self.awaited = awaited
        self.settings = settings
        self.choice = choice
        self.serving = serving
        self.lender = lender
        self.log = log
        let isOn = settings.whose != .off
        sweep = isOn ? choice.destroyer.map { Sweep($0, reviver: choice.reviver, namespaces: namespaces) } : nil
        permits = DestroyPermits(perSecond: Int(settings.perSecond))
        state = SocketDestroyReport(
            mechanism: isOn ? choice.destroyer?.mechanism.rawValue : nil, whose: settings.whose.rawValue,
            reasons: choice.reasons, confinement: choice.confinement)
        (wishes, wish) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var report: SocketDestroyReport {
        var report = state
        report.pendingBackends = pending.count
        if report.confinement != nil, sweep != nil, let lent = LentNamespaces(at: lender) {
            if choice.destroyer?.mechanism == .bpf || lent.mayKill {
                report.confinement = nil
                report.lender = "swiftlet namespaces"
            } else {
                report.confinement = "this kernel needs CAP_NET_ADMIN for it; grant it to `swiftlet namespaces` too"
            }
        }
        return report
    }

    /// Takes backends that are in no map any more.
    func bury(_ backends: [RemovedBackend]) {
        guard sweep != nil, !backends.isEmpty else { return }
        let now = ContinuousClock.now
        for backend in backends { pending[backend] = now }
        isFresh = true
        wish.yield()
    }

    /// Takes frontends that lead somewhere now. Sockets that are left to the packets are left to wait, too.
    func rouse(_ frontends: [AwakenedFrontend]) {
        let served = frontends.filter { $0.service.proto != .sctp && serving.serves($0.service.proto) }
        guard sweep != nil, !served.isEmpty else { return }
        let now = ContinuousClock.now
        for frontend in served { awakened[frontend] = now }
        isFresh = true
        wish.yield()
    }

    /// Leads sockets on that have waited since before this process, now that all is in the maps that is served.
    func rouseAwaited() {
        guard sweep != nil else { return }
        do {
            rouse(try awaited())
        } catch {
            log.warning("cannot look for sockets that an earlier process left", metadata: ["cause": "\(error)"])
        }
    }

    /// Works until the task is cancelled.
    func run() async {
        for await _ in wishes {
            while !pending.isEmpty || !awakened.isEmpty, !Task.isCancelled {
                await step()
                await pause()
            }
        }
    }

    private func step() async {
        guard let sweep else { return }
        isFresh = false
        let start = ContinuousClock.now
        let gone = Array(pending.keys)
        let roused = Array(awakened.keys)
        let found: @Sendable (SocketCounts, Int) -> Void = { [log] counts, namespaces in
            log.info(
                "found sockets of backends that are gone",
                metadata: ["sockets": "\(counts.found)", "namespaces": "\(namespaces)"])
        }
        let outcome = await sweep.run(gone, awakened: roused, permits: permits.available(at: start), found: found)
        note(outcome, in: ContinuousClock.now - start)
        for backend in gone {
            // It came again meanwhile: then it is younger than this sweep.
            guard let since = pending[backend], since <= start else { continue }
            let isDone = outcome.failure == nil && (outcome.counts[backend]?.postponed ?? 0) == 0
            let age = start - since
            if (isDone && age >= Self.latestConnect) || age > Self.patience { pending[backend] = nil }
        }
        forget(roused, askedAt: start, outcome)
    }

    private func forget(_ roused: [AwakenedFrontend], askedAt start: ContinuousClock.Instant, _ outcome: Sweep.Outcome)
    {
        for frontend in roused {
            guard let since = awakened[frontend], since <= start else { continue }
            let age = start - since
            let isDone = outcome.failure == nil && age >= Self.latest(at: frontend)
            if isDone || age > Self.patience { awakened[frontend] = nil }
        }
    }

    /// When a frontend that leads somewhere now needs no more looks.
    private static func latest(at frontend: AwakenedFrontend) -> Duration {
        frontend.service.proto == .tcp ? secondSYN : latestConnect
    }

    private func note(_ outcome: Sweep.Outcome, in duration: Duration) {
        let total = outcome.counts.total
        permits.use(total.destroyed)
        state.sweeps += 1
        state.namespaces = outcome.namespaces
        state.unreachable = outcome.unreachable.map { "\($0.namespaces): \($0.cause)" }
        state.refused += total.refused
        state.revived = (state.revived ?? 0) + total.revived
        state.postponed = total.postponed
        for (backend, counts) in outcome.counts where counts.destroyed > 0 {
            state.destroyed["\(backend.service.proto)", default: 0] += counts.destroyed
        }
        if let failure = outcome.failure {
            state.failures += 1
            if state.lastFailure != failure {
                log.warning("cannot iterate over sockets; trying again", metadata: ["cause": "\(failure)"])
            }
        }
        state.lastFailure = outcome.failure
        tell(outcome, duration.roundedText)
    }

    /// What became of sockets whose backend is gone, and of those that waited for a backend.
    private func tell(_ outcome: Sweep.Outcome, _ duration: String) {
        let gone = outcome.counts.filter { !$0.key.isAwaited }.total
        let waiting = outcome.counts.filter(\.key.isAwaited).total
        if gone.found > 0 {
            log.info(
                "destroyed sockets of backends that are gone",
                metadata: [
                    "destroyed": "\(gone.destroyed)", "revived": "\(gone.revived)", "postponed": "\(gone.postponed)",
                    "refused": "\(gone.refused)", "duration": "\(duration)",
                ])
        }
        if waiting.revived > 0 {
            log.info(
                "connected waiting sockets to new Services",
                metadata: ["sockets": "\(waiting.revived)", "duration": "\(duration)"])
        }
        if waiting.destroyed > 0 {
            log.info(
                "ended connects that waited for new Services",
                metadata: ["sockets": "\(waiting.destroyed)", "duration": "\(duration)"])
        }
    }

    /// Until there is something new, or the next look is due.
    private func pause() async {
        let looks = pending.values.map { $0 + Self.latestConnect } + awakened.map { $0.value + Self.latest(at: $0.key) }
        guard let next = looks.min() else { return }
        let due = max(next, .now + .milliseconds(100))
        while !isFresh, ContinuousClock.now < due {
            guard (try? await Task.sleep(for: .milliseconds(25))) != nil else { return }
        }
    }
}

/// Runs the keeper.
struct SocketDestroyService: ServiceLifecycle.Service {
    let keeper: SocketDestroyKeeper

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await keeper.run()
            // A part that ends early would end the daemon.
            await untilCancelled()
        }
    }
}
