import ArgumentParser
import Glibc
import NetworkLab

enum Addressing: String, EnumerableFlag {
    case connected
    case unconnected
}

/// The options that say how a client's sockets are made.
struct FlowArguments: ParsableArguments {
    @Argument(help: "Where to, as 10.96.0.15:80 or [fd00::15]:80.")
    var target: SocketAddress

    @Flag(name: .customLong("udp"), help: "UDP instead of TCP.")
    var udp = false

    @Flag(help: "UDP: connect(2) first, or name the address in each sendto(2).")
    var addressing = Addressing.connected

    @Flag(help: "Use an IPv6 socket and ::ffff:a.b.c.d.")
    var mapped = false

    @Option(help: "Limit of each call, in milliseconds.")
    var timeout = 1_000

    @Option(name: .customLong("bind"), help: "Source address.")
    var source: String?

    @Option(help: "Source port, with --bind.")
    var sourcePort: UInt16 = 0

    func validate() throws {
        if let source, SocketAddress(host: source, port: 0) == nil {
            throw ValidationError("'\(source)' is not an address")
        }
        if source == nil && sourcePort != 0 { throw ValidationError("--source-port needs --bind") }
        if mapped && !target.isV4 { throw ValidationError("--mapped needs an IPv4 address") }
    }

    var options: FlowOptions {
        FlowOptions(
            target: target, kind: udp ? .udp : .tcp, connected: addressing == .connected, mapped: mapped,
            source: source.flatMap { SocketAddress(host: $0, port: sourcePort) }, timeout: timeout)
    }
}

struct Call: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connect and print the backend that answered.",
        discussion: """
            JSON: {"target", "protocol", "attempts": [{"result", "stage", "pod", "peer", "source", "local", "client",
            "microseconds"}], "summary": {"ok": N, "failed": {"ECONNREFUSED": N}, "spread": {"pod-1": N}, "clients": N}}
            "peer" is getpeername's answer, "source" recvfrom's (UDP), "client" this end as the pod saw it.
            "clients" is how many addresses and ports the pods saw, each pod's apart. SIGTERM or SIGINT ends it early, with
            the report of what was tried until then.
            "microseconds" is connect(2) alone for TCP, the round trip for UDP.

              swiftlet-lab call 10.96.0.15:80 --count 30
              swiftlet-lab call 10.96.0.10:53 --udp --unconnected --same-socket --count 5
              swiftlet-lab call 10.96.0.99:80 --expect refused
            """)

    @OptionGroup var flow: FlowArguments

    @Option(help: "How many attempts.")
    var count = 1

    @Option(help: "Milliseconds between attempts.")
    var every = 0

    @Option(help: "Bytes of payload in each exchange, at most 60000: large datagrams go in fragments.")
    var size = 0

    @Flag(help: "All attempts on one socket: one TCP connection, or one UDP socket.")
    var sameSocket = false

    @Flag(help: "TCP: end each connection in order, so that its port stays in TIME_WAIT; otherwise reset it.")
    var finish = false

    @Option(help: "The result that every attempt must have: ok, refused, timeout, or an error name.")
    var expect = Expectation.ok

    @Option(name: .shortAndLong, help: "json or text.")
    var output = OutputFormat.json

    func validate() throws {
        if !(0...60_000).contains(size) { throw ValidationError("--size is 0 to 60000") }
    }

    func run() throws {
        let signals = Interruption.catchSignals()
        defer { withExtendedLifetime(signals) {} }
        let attempts = tryAll()
        print(attempts)
        try expect.check(attempts.map(\.result))
    }

    private func tryAll() -> [Attempt] {
        var shared: Flow?
        var attempts: [Attempt] = []
        for number in 0..<max(count, 1) where !Interruption.isRequested {
            if number > 0 && every > 0 { usleep(UInt32(every) * 1_000) }
            let hello = "hello \(number)"
            let payload = hello + String(repeating: ".", count: max(size - hello.count, 0))
            if let open = shared {
                attempts.append(open.exchange(payload))
                continue
            }
            let (flow, attempt) = Flow.reach(flow.options, payload: payload)
            attempts.append(attempt)
            if sameSocket { shared = flow } else if !finish { flow?.reset() }
        }
        // A call that the signal cut short says nothing about backends.
        if Interruption.isRequested, attempts.last?.result == "EINTR" { attempts.removeLast() }
        return attempts
    }

    private func print(_ attempts: [Attempt]) {
        let tally = Tally(attempts)
        switch output {
        case .json:
            let report = JSON.object([
                ("target", .string("\(flow.target)")), ("protocol", .string(flow.udp ? "UDP" : "TCP")),
                ("attempts", .array(attempts.map(\.json))), ("summary", .object(tally.fields)),
            ])
            Output.line(report.text)
        case .text:
            for attempt in attempts { Output.line(attempt.text) }
            Output.line(tally.text)
        }
    }
}

/// Results counted: how many were good, which errors, which pods.
struct Tally {
    var ok = 0
    var failed: [String: Int] = [:]
    var spread: [String: Int] = [:]
    /// What the pods saw of the clients, each pod's apart.
    var clients: Set<String> = []

    init(_ attempts: [Attempt] = []) {
        for attempt in attempts { add(attempt) }
    }

    mutating func add(_ attempt: Attempt) {
        guard attempt.result == "ok" else {
            failed[attempt.result, default: 0] += 1
            return
        }
        ok += 1
        guard let pod = attempt.pod else { return }
        spread[pod, default: 0] += 1
        if let client = attempt.client { clients.insert("\(pod) \(client)") }
    }

    mutating func add(_ other: Tally) {
        ok += other.ok
        failed.merge(other.failed, uniquingKeysWith: +)
        spread.merge(other.spread, uniquingKeysWith: +)
        clients.formUnion(other.clients)
    }

    var fields: [(String, JSON)] {
        [
            ("ok", .integer(ok)), ("failed", .counts(failed)), ("spread", .counts(spread)),
            ("clients", .integer(clients.count)),
        ]
    }

    var text: String {
        let pods = spread.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let errors = failed.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        return (["\(ok) ok"] + pods + errors).joined(separator: ", ")
    }
}
