import ArgumentParser
import Glibc
import NetworkLab
import Synchronization

/// The clients of a soak in one place. They tell what happened and judge nothing.
struct SoakClient: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Started by soak: connects and long-lived flows, each told in a line.", shouldDisplay: false)

    @Option(help: "Where connects go, separated by commas.", transform: Load.parse)
    var tcp: [SocketAddress]

    @Option(help: "Where datagrams from new sockets go.", transform: Load.parse)
    var udp: [SocketAddress]

    @Option(help: "Attempts a second.")
    var rate: Int

    @Option(help: "Where TCP connections that stay lead.", transform: Load.parse)
    var tcpFlows: [SocketAddress]

    @Option(help: "Where connected UDP sockets lead.", transform: Load.parse)
    var connectedFlows: [SocketAddress]

    @Option(help: "Where unconnected UDP sockets send.", transform: Load.parse)
    var unconnectedFlows: [SocketAddress]

    @Option(help: "How many flows of TCP, and how many of UDP.")
    var flows: Int

    @Option(help: "Milliseconds between two exchanges on a flow.")
    var every: Int

    /// Threads that connect; one that waits does not slow down the others.
    private static let connecting = 6
    private static let flowing = 2

    func run() throws {
        let signals = Interruption.catchSignals()
        defer { withExtendedLifetime(signals) {} }
        DescriptorLimit.raise()
        let pace = Pace(perSecond: rate)
        // Every eighth is UDP.
        let attempts = (0..<(tcp.count * udp.count * 8)).map { number in
            number % 8 == 7
                ? FlowOptions(target: udp[number / 8 % udp.count], kind: .udp, timeout: SoakFlow.patience)
                : FlowOptions(target: tcp[(number - number / 8) % tcp.count], timeout: 5_000)
        }
        let options = flowOptions
        try LabThread.parallel(Self.connecting + Self.flowing) { number in
            var records = RecordWriter()
            if number < Self.connecting {
                connect(attempts, pace, &records)
            } else {
                let own = options.enumerated().filter { $0.offset % Self.flowing == number - Self.connecting }
                hold(own.map { ($0.offset + 1, $0.element) }, &records)
            }
            records.flush()
        }
    }

    private var flowOptions: [FlowOptions] {
        (0..<flows).flatMap { number in
            let isConnected = unconnectedFlows.isEmpty || number % 2 == 0
            let udp = isConnected ? connectedFlows : unconnectedFlows
            return [
                FlowOptions(target: tcpFlows[number % tcpFlows.count], timeout: 5_000),
                FlowOptions(
                    target: udp[number / 2 % udp.count], kind: .udp, connected: isConnected,
                    timeout: SoakFlow.patience),
            ]
        }
    }

    private func connect(_ attempts: [FlowOptions], _ pace: borrowing Pace, _ records: inout RecordWriter) {
        while let number = pace.next() {
            let flow = SoakFlow(attempts[number % attempts.count])
            records.write(flow.use(as: .connect))
            flow.end()
        }
    }

    /// Opens the flows, and then uses each in turn.
    private func hold(_ options: [(number: Int, options: FlowOptions)], _ records: inout RecordWriter) {
        let flows = options.map { SoakFlow($0.options, number: $0.number) }
        guard !flows.isEmpty else { return }
        for flow in flows where !Interruption.isRequested { records.write(flow.use(as: .open)) }
        let interval = UInt64(every) * 1_000_000 / UInt64(flows.count)
        var due = MonotonicClock.now
        while !Interruption.isRequested {
            for flow in flows {
                due += interval
                guard Pace.sleep(until: due) else { break }
                records.write(flow.use(as: .exchange))
            }
        }
    }
}

/// A socket and how it is used. A class because arrays cannot hold noncopyable values.
final class SoakFlow {
    /// A datagram may be lost, as when a queue is full: it is sent again after so many milliseconds.
    static let patience = 1_000
    private static let tries = 4

    private let options: FlowOptions
    private let number: Int
    private var flow: Flow?
    /// Datagrams that were given up; their answers may still come.
    private var unanswered: Set<String> = []

    init(_ options: FlowOptions, number: Int = 0) {
        self.options = options
        self.number = number
    }

    func use(as act: ClientRecord.Act) -> ClientRecord {
        let isUDP = options.kind == .udp
        let start = MonotonicClock.now
        var attempt = act == .exchange ? Attempt(result: "CLOSED") : opened()
        var tries = 0
        if let flow, act == .exchange || isUDP, act == .exchange || attempt.result == "ok" {
            repeat {
                let payload = "soak-\(number)-\(start)-\(tries)"
                attempt = flow.exchange(payload, passingOver: unanswered)
                if attempt.result == "ETIMEDOUT" { unanswered.insert(payload) }
                tries += 1
            } while isUDP && attempt.result == "ETIMEDOUT" && tries < Self.tries
        }
        // A call that the signal to end cut short says nothing.
        let result = attempt.result == "EINTR" && Interruption.isRequested ? "interrupted" : attempt.result
        return ClientRecord(
            act: act, flow: number, isUDP: isUDP, target: "\(options.target)", start: start, end: MonotonicClock.now,
            result: result, stage: attempt.stage ?? "-", backend: attempt.pod ?? "-", local: attempt.local ?? "-",
            resent: max(tries - 1, 0))
    }

    private func opened() -> Attempt {
        do {
            let flow = try Flow(options)
            self.flow = flow
            return flow.open()
        } catch {
            return Attempt(result: error.name, stage: error.call)
        }
    }

    func end() { flow?.reset() }
}

/// Hands out numbers at a fixed pace to any number of threads.
struct Pace: ~Copyable, Sendable {
    private let start = MonotonicClock.now
    private let interval: UInt64
    private let taken = Atomic<Int>(0)

    init(perSecond rate: Int) { interval = 1_000_000_000 / UInt64(rate) }

    /// The next number when its time has come; nil when it is time to end.
    func next() -> Int? {
        let number = taken.wrappingAdd(1, ordering: .relaxed).oldValue
        return Self.sleep(until: start + UInt64(number) * interval) ? number : nil
    }

    static func sleep(until due: UInt64) -> Bool {
        while !Interruption.isRequested {
            let now = MonotonicClock.now
            if now >= due { return true }
            usleep(UInt32(min((due - now) / 1_000 + 1, 50_000)))
        }
        return false
    }
}

/// Lines of one thread, written in pieces: a system call for each would cost more than the connect.
struct RecordWriter {
    private static let output = Mutex<Void>(())
    private var text = ""
    private var lastFlush = MonotonicClock.now

    mutating func write(_ record: ClientRecord) {
        guard record.result != "interrupted" else { return }
        write(line: record.line)
    }

    mutating func write(line: String) {
        text += line + "\n"
        if text.utf8.count > 8_192 || MonotonicClock.now - lastFlush > 100_000_000 { flush() }
    }

    mutating func flush() {
        if !text.isEmpty { Self.output.withLock { _ in Output.line(String(text.dropLast())) } }
        text = ""
        lastFlush = MonotonicClock.now
    }
}
