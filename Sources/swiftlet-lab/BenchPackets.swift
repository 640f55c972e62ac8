import ArgumentParser
import ConnectBenchmark
import FoundationEssentials
import Glibc
import NetworkLab
import PacketBenchmark

struct BenchPackets: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure Services of clients beyond the node: packets in the programs at tc, and routed connections.",
        discussion: """
            Runs packets through the programs by the kernel's test runs: such as are no Service's, those of a known flow in
            both directions, and first ones. Then it makes clients, nodes and a backend in network namespaces of its own, and
            connects to NodePorts, through the programs and through nftables rules as kube-proxy writes them, and straight to
            the backend, by turns: connect(2), TCP_RR and TCP_STREAM. Each line has the goal and whether it is met.

              build/swiftlet-lab bench-packets --markdown packets.md
            """)

    @Option(help: "The programs that repeat packets; make bpf leaves them there.")
    var programs = "build/bpf/packets.bpf.o"

    @Option(help: "How many Services, with a NodePort each (1 to 10000).")
    var services = 10_000

    @Option(help: "Rounds of connections, in each of which every way has a turn.")
    var rounds = 120

    @Option(help: "Connects of each way in a round.")
    var connects = 60

    @Option(help: "Requests and responses of each way in a round.")
    var transactions = 300

    @Option(help: "Megabytes that a stream carries in a round.")
    var megabytes = 16

    @Option(help: "Rounds of packets.")
    var programRounds = 41

    @Option(help: "Packets of each kind in a round.")
    var repeats = 20_000

    @Option(help: "Entries for flows, two each.")
    var flows: UInt32 = 65_536

    @Option(help: "Also write the tables in Markdown.")
    var markdown: String?

    @Option(name: .shortAndLong, help: "text or json.")
    var output = OutputFormat.text

    func validate() throws {
        guard (1...10_000).contains(services) else { throw ValidationError("--services takes 1 to 10000") }
        guard min(rounds, connects, transactions, megabytes, programRounds, repeats) > 0 else {
            throw ValidationError("there must be at least one of everything that is measured")
        }
    }

    func run() throws {
        var options = PacketBenchmarkOptions(object: Array(try Data(contentsOf: URL(filePath: programs))))
        options.services = services
        options.rounds = rounds
        options.connects = connects
        options.transactions = transactions
        options.streamBytes = megabytes << 20
        options.programRounds = programRounds
        options.repeats = repeats
        options.flows = flows
        var phase = ""
        let report = try PacketBenchmark(options) { progress in
            guard progress.phase != phase else { return }
            phase = progress.phase
            StandardError.line("bench-packets: \(phase)")
        }.run()
        let text = PacketText(report)
        Output.line(output == .json ? try report.json() : text.terminal)
        if let markdown { try text.markdown.write(toFile: markdown, atomically: true, encoding: .utf8) }
    }
}

/// What is said beside the results.
private enum StandardError {
    static func line(_ words: String) {
        let bytes = Array((words + "\n").utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
