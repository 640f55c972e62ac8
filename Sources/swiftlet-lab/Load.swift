import ArgumentParser
import Glibc
import NetworkLab
import Synchronization

struct Load: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connect all the time; count what fails.",
        discussion: """
            Opens TCP connections (or sends UDP datagrams from new sockets) at the given rate, each target in turn, and
            prints a report at the end; SIGTERM or SIGINT ends it early, with the report. Prints "started" at once.
            JSON: {"attempted", "ok", "failed": {"ECONNREFUSED": N}, "spread": {"pod-1": N}, "milliseconds", "slowest",
            "slow", "failures": [{"target", "result", "stage", "at", …}]}; "at" and "slowest" are microseconds, "slow" is
            how many attempts took over 0.9 s, their end included, and "failures" holds the first ten.

              swiftlet-lab load 10.96.0.15:80,10.96.0.16:80 --rate 500 --seconds 10
            """)

    @Argument(help: "Addresses, separated by commas.", transform: Load.parse)
    var targets: [SocketAddress]

    @Flag(name: .customLong("udp"), help: "UDP instead of TCP.")
    var udp = false

    @Option(name: .customLong("bind"), help: "Source address.", transform: Load.parseSource)
    var source: SocketAddress?

    @Option(help: "Attempts a second.")
    var rate = 200

    @Option(help: "How long.")
    var seconds = 10.0

    @Option(help: "Limit of each call, in milliseconds.")
    var timeout = 2_000

    @Option(help: "How many attempts may be under way at once.")
    var workers = 4

    @Option(help: "TCP: reset each connection, or close it, or wait until the pod closes it (serve --farewell).")
    var closing = Closing.reset

    @Option(help: "The result that every attempt must have.")
    var expect = Expectation.ok

    static func parse(_ text: String) throws -> [SocketAddress] {
        try text.split(separator: ",").map {
            guard let address = SocketAddress(String($0)) else { throw ValidationError("'\($0)' is not ADDRESS:PORT") }
            return address
        }
    }

    static func parseSource(_ text: String) throws -> SocketAddress {
        guard let address = SocketAddress(host: text, port: 0) else {
            throw ValidationError("'\(text)' is not an address")
        }
        return address
    }

    func validate() throws {
        if targets.isEmpty || rate < 1 || workers < 1 { throw ValidationError("targets, rate and workers must be > 0") }
    }

    func run() throws {
        let signals = Interruption.catchSignals()
        defer { withExtendedLifetime(signals) {} }
        let generator = LoadGenerator(
            targets: targets.map { FlowOptions(target: $0, kind: udp ? .udp : .tcp, source: source, timeout: timeout) },
            closing: closing, rate: rate, seconds: seconds)
        Output.line("started")
        try LabThread.parallel(workers) { _ in generator.work() }
        let report = generator.report
        Output.line(report.json.text)
        let wrong = report.tally.failed.keys.filter { $0 != expect.result }
        if !wrong.isEmpty || (expect.result != "ok" && report.tally.ok > 0) { throw ExitCode.failure }
    }
}

/// How a connection of a load ends: the end that closes first has it in TIME_WAIT for a minute.
enum Closing: String, ExpressibleByArgument, CaseIterable {
    case reset
    case client
    case endpoint
}

struct LoadReport {
    var tally = Tally()
    var attempted = 0
    /// Of connect(2), in microseconds.
    var slowest = 0
    /// How many took over 0.9 s until their end: a packet was sent again.
    var slow = 0
    var elapsed: UInt64 = 0
    /// The first ten, with the microsecond at which they began.
    var failures: [(target: SocketAddress, at: Int, attempt: Attempt)] = []

    var json: JSON {
        .object(
            [("attempted", .integer(attempted))] + tally.fields + [
                ("milliseconds", .integer(Int(elapsed / 1_000_000))), ("slowest", .integer(slowest)),
                ("slow", .integer(slow)),
                (
                    "failures",
                    .array(
                        failures.map {
                            .object([
                                ("target", .string("\($0.target)")), ("result", .string($0.attempt.result)),
                                ("stage", .optional($0.attempt.stage)), ("at", .integer($0.at)),
                            ])
                        })
                ),
            ])
    }
}

/// Hands out attempts at a fixed pace to any number of threads: one that blocks does not slow the others down.
final class LoadGenerator: Sendable {
    private let targets: [FlowOptions]
    private let closing: Closing
    private let interval: UInt64
    private let duration: UInt64
    private let start = MonotonicClock.now
    private let next = Atomic<Int>(0)
    private let collected = Mutex(LoadReport())

    init(targets: [FlowOptions], closing: Closing = .reset, rate: Int, seconds: Double) {
        self.targets = targets
        self.closing = closing
        interval = 1_000_000_000 / UInt64(rate)
        duration = UInt64(seconds * 1e9)
    }

    var report: LoadReport { collected.withLock { $0 } }

    func work() {
        while !Interruption.isRequested {
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            let due = UInt64(number) * interval
            guard due < duration else { break }
            guard pause(until: due) else { break }
            attempt(targets[number % targets.count])
        }
        let elapsed = MonotonicClock.now - start
        collected.withLock { $0.elapsed = max($0.elapsed, elapsed) }
    }

    private func pause(until due: UInt64) -> Bool {
        while !Interruption.isRequested {
            let now = MonotonicClock.now - start
            if now >= due { return true }
            usleep(UInt32(min((due - now) / 1_000 + 1, 50_000)))
        }
        return false
    }

    private func attempt(_ options: FlowOptions) {
        let begin = MonotonicClock.now
        let at = Int(begin - start) / 1_000
        var (flow, attempt) = Flow.reach(options)
        switch closing {
        case .reset: flow?.reset()
        case .client: break
        case .endpoint:
            if attempt.result == "ok", flow?.awaitEnd() == false {
                (attempt.result, attempt.stage) = ("ETIMEDOUT", "end")
            }
        }
        flow = nil
        let isSlow = MonotonicClock.now - begin > 900_000_000
        // A call that a signal cut short says nothing about the datapath.
        if attempt.result == "EINTR" && Interruption.isRequested { return }
        collected.withLock {
            $0.attempted += 1
            $0.tally.add(attempt)
            $0.slowest = max($0.slowest, attempt.microseconds)
            $0.slow += isSlow ? 1 : 0
            if attempt.result != "ok" && $0.failures.count < 10 {
                $0.failures.append((options.target, at, attempt))
            }
        }
    }
}
