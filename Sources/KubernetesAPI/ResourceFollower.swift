import KubernetesObjects
import Logging

/// Keeps up with one resource for as long as it runs: lists it, watches it from there, and begins anew where it must.
///
/// List and watch, not the list inside a watch (`sendInitialEvents`): what is gone is known only when a list is complete,
/// so that the one would save no memory here; an API server or an etcd may refuse the other in the middle of a stream,
/// so that both would have to be there. The list comes from the API server's memory, as client-go's does (`ListStart`), and
/// from etcd only if that has not got as far as we have, or has forgotten where we were.
actor ResourceFollower {
    let session: APISession
    let gate: StateGate
    let board: StatisticsBoard
    let outages: OutageLog
    let log: Logger

    var selection: Selection
    var inventory = Inventory()
    /// Where the next watch begins; nil: list first.
    var position: String?
    /// How far any list or watch has been.
    var furthest: String?
    /// Asked for in one page of a list.
    var pageSize = ResourceFollower.usualPageSize
    /// The next list must not come from an API server's memory.
    var mustBeConsistent = false
    /// A bookmark has come: they are sent here.
    var seesBookmarks = false
    var backoff = Backoff()
    /// Answers since the last watch that told something.
    private var refusals = 0
    /// How often in a row all was to begin anew.
    private var renewals = 0
    private var reported: StateProblem?
    /// When the last byte of the current answer came.
    var lastByteAt = Duration.zero

    static let usualPageSize = 500
    static let longestPage = 1 << 16
    /// So many refusals in a row make even a position doubtful that the API server does not complain of.
    private static let doubtAfter = 4

    init(
        _ selection: Selection, session: APISession, gate: StateGate, board: StatisticsBoard, outages: OutageLog,
        log: Logger
    ) {
        self.selection = selection
        self.outages = outages
        self.session = session
        self.gate = gate
        self.board = board
        var log = log
        log[metadataKey: "resource"] = "\(selection.resource.plural)"
        self.log = log
    }

    var name: String { selection.resource.plural }

    /// Ends when the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            do throws(KubernetesError) {
                if position == nil { try await list() }
                try await watch()
            } catch {
                if error.kind == .cancelled { break }
                let delay = recover(from: error)
                // It fails only when cancelled, and then the loop ends.
                if delay > .zero { try? await session.time.sleep(delay) }
            }
        }
        board.update(name) { $0.url = nil }
    }

    /// The watch has told something, or has lasted: what went wrong before is over.
    func noteProgress() {
        backoff.reset()
        refusals = 0
        renewals = 0
        outages.regain(name)
        settle(nil)
    }

    // MARK: Failure

    /// Decides how to go on, and after which time.
    private func recover(from error: KubernetesError) -> Duration {
        let time = session.time
        // A connection that ends is asked for again at once: what a person should know is what comes of that.
        let isMomentary = refusals == 0 && (error.kind == .interrupted || error.kind == .silent)
        board.update(name) { resource in
            resource.restarts[error.restart, default: 0] += 1
            resource.lastError = "\(error)"
            resource.trouble = isMomentary ? nil : error.trouble
            resource.url = nil
            resource.connectedSince = nil
            resource.lostSince = resource.lostSince ?? time.wallClock()
        }
        if error.kind == .otherHistory || error.status?.isExpired == true || isAboutFields(error.status) {
            log.info("listing anew", metadata: ["reason": "\(error)"])
        } else {
            outages.lose(name, reason: "\(error)", isMomentary: isMomentary)
        }
        switch error.kind {
        case .unreachable:
            // The next attempt waits for an address by itself.
            return .zero
        case .status(let status):
            return recover(from: status, error)
        case .streamStatus(let status):
            position = nil
            noteRenewal(at: error.subject)
            return max(backoff.afterAnswer(time.chance), wait(after: status))
        case .otherHistory:
            position = nil
            mustBeConsistent = true
            noteRenewal(at: error.subject)
            return backoff.afterAnswer(time.chance)
        case .malformed, .interrupted, .silent:
            doubt()
            return backoff.next(time.chance)
        case .credentials, .configuration, .cancelled:
            return backoff.next(time.chance)
        }
    }

    private func recover(from status: APIStatus, _ error: KubernetesError) -> Duration {
        let time = session.time
        if isAboutFields(status) {
            log.info(
                "the API server does not know the field selector", metadata: ["fields": "\(selection.fields ?? "")"])
            selection.fields = nil
            return .zero
        }
        if status.isExpired || status.isBehind {
            // Applies to continue tokens and watch positions alike; what was already delivered stays valid.
            // A list that was refused is asked of etcd; before that, one from memory will do.
            mustBeConsistent = mustBeConsistent || status.isBehind || position == nil
            position = nil
            pageSize = min(pageSize * 2, Self.longestPage)
            noteRenewal(at: error.subject)
            return max(backoff.afterAnswer(time.chance), wait(after: status))
        }
        doubt()
        if [403, 404].contains(status.code), !(status.isSick && session.hasOthers) {
            settle(error.problem(about: name))
            // It may be refused by this one only.
            session.leave(error.subject, isWell: true)
            return session.timeouts.refusal * (1 + time.chance()) / 2
        }
        return max(backoff.next(time.chance), wait(after: status))
    }

    /// An API server that does not know the field selector of a list can do without it.
    private func isAboutFields(_ status: APIStatus?) -> Bool {
        status?.code == 400 && status?.isForeign == false && selection.fields != nil
            && selection.isFieldSelectorDispensable && position == nil
    }

    /// What the API server asks for, within bounds. One that is sick is not waited for where there is another one.
    private func wait(after status: APIStatus) -> Duration {
        if status.isSick && session.hasOthers { return .zero }
        return status.wait(atMost: session.timeouts.retryAfter)
    }

    /// An API server whose lists and watches end early again and again is left for the next one.
    private func noteRenewal(at server: String) {
        renewals += 1
        guard renewals >= Self.doubtAfter else { return }
        renewals = 0
        session.leave(server)
    }

    private func doubt() {
        refusals += 1
        if refusals >= Self.doubtAfter {
            position = nil
            refusals = 0
        }
    }

    /// Tells of a problem that a person has to mend, and when it is mended.
    func settle(_ problem: StateProblem?) {
        guard problem?.identity != reported?.identity else { return }
        gate.pass(StateBatch(problems: problem.map { [$0] } ?? [], resolved: reported.map { [$0] } ?? []))
        reported = problem
    }
}

extension Backoff {
    /// After an answer that only says to begin anew: at once the first time, then as after any failure.
    fileprivate mutating func afterAnswer(_ chance: () -> Double) -> Duration {
        let isFirst = failures == 0
        let delay = next(chance)
        return isFirst ? .zero : delay
    }
}

extension APIStatus {
    func wait(atMost most: Duration) -> Duration { min(.seconds(max(0, retryAfterSeconds ?? 0)), most) }
}

extension KubernetesError {
    fileprivate var restart: SourceStatistics.Restart {
        switch kind {
        case .configuration, .credentials: .credentials
        case .unreachable: .unreachable
        case .interrupted, .cancelled: .interrupted
        case .silent: .silent
        case .status(let status): status.isExpired ? .expired : status.isBehind ? .otherHistory : .refused
        case .streamStatus(let status): status.isExpired ? .expired : .streamError
        case .otherHistory: .otherHistory
        case .malformed: .malformed
        }
    }

    fileprivate func problem(about resource: String) -> StateProblem {
        StateProblem(.unreadable, origin: subject, object: resource, cause: cause, advice: advice)
    }
}
