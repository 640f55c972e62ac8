import ArgumentParser
import NetworkLab

struct Hold: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep flows open and use them on command.",
        discussion: """
            Opens the flows and prints one line; then each line on standard input is a command, answered by one line:
              send    one exchange on every flow
              peers   getpeername and getsockname of every flow
              quit    close everything and end (the end of standard input does the same)
            JSON: {"event": "open"|"send"|"peers", "flows": [{"result", "stage", "pod", "peer", "source", "local",
            "client", "microseconds"}], "summary": {"ok", "failed", "spread"}}; an unconnected UDP flow has its pod
            after the first send. With --brief there are no "flows". Exit code 1 when any exchange failed.

              swiftlet-lab hold 10.96.0.15:80 --connections 100
            """)

    @OptionGroup var flow: FlowArguments

    @Option(help: "How many flows, at most 20000.")
    var connections = 1

    @Flag(help: "Say no more than the summary.")
    var brief = false

    func validate() throws {
        if !(1...20_000).contains(connections) { throw ValidationError("--connections is 1 to 20000") }
    }

    func run() throws {
        DescriptorLimit.raise()
        var failed = false
        var flows: [Flow] = []
        var opened: [Attempt] = []
        for _ in 0..<connections {
            do {
                let flow = try Flow(flow.options)
                opened.append(flow.open())
                flows.append(flow)
            } catch {
                opened.append(Attempt(result: error.name, stage: error.call))
            }
        }
        failed = report("open", opened)
        var number = 0
        while let line = readLine() {
            switch line {
            case "send":
                number += 1
                if report("send", flows.map { $0.exchange("hello \(number)") }) { failed = true }
            case "peers": _ = report("peers", flows.map { $0.names() })
            case "quit": return try end(failed)
            case "": continue
            default: Output.line(JSON.object([("event", .string("unknown command '\(line)'"))]).text)
            }
        }
        try end(failed)
    }

    private func end(_ failed: Bool) throws {
        if failed { throw ExitCode.failure }
    }

    /// Prints the line of one command; whether any flow failed.
    private func report(_ event: String, _ attempts: [Attempt]) -> Bool {
        let tally = Tally(attempts)
        let flows = brief ? [] : [("flows", JSON.array(attempts.map(\.json)))]
        let line = JSON.object([("event", .string(event))] + flows + [("summary", .object(tally.fields))])
        Output.line(line.text)
        return !tally.failed.isEmpty
    }
}
