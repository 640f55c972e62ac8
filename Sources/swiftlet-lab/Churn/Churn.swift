import ArgumentParser
import Glibc
import NetworkLab

struct Churn: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Many short connections of one client to few endpoints: does any meet a port in TIME_WAIT?",
        discussion: """
            A client beyond a router connects all the time, through four addresses of one Service by turns: a NodePort, a
            load balancer's address, an external one, and a ClusterIP from outside. Each connection is ended in order, and
            stays in TIME_WAIT where it was closed first. What meets one there is answered with an ACK, is reset by the
            client, and asks once more: after some milliseconds, or after a second.

            Once through `swiftlet run` and once, where nft is installed, through rules as kube-proxy writes them. For each:
            connections, failed ones, those that took over 0.9 s, and the resets that the client sent. Exit code 1 when
            swiftlet lets one fail, or more of them take over 0.9 s than the rules do.

              swiftlet-lab churn --seconds 60
              swiftlet-lab churn --closing endpoint --client-ports 40000-40499      (each port again and again)
            """)

    @Option(help: "The program to test.")
    var swiftlet = "build/swiftlet"

    @Option(help: "How long, for each line of the table.")
    var seconds = 60.0

    @Option(help: "Connections a second.")
    var rate = 750

    @Option(help: "How many may be under way at once.")
    var workers = 8

    @Option(help: "How many endpoints (1 to 5): three on the node, then two on another one.")
    var endpoints = 3

    @Option(
        help: ArgumentHelp(
            "Where connections are closed first, client or endpoint; repeatable.",
            discussion: "Without it both, one after the other."))
    var closing: [Closing] = []

    @Flag(help: "externalTrafficPolicy: Local: endpoints of the node see the client, with the port that it has.")
    var local = false

    @Flag(help: "IPv6.")
    var ipv6 = false

    @Option(help: "The client's ports, as 40000-40499; without it those that the kernel has.", transform: Churn.parse)
    var clientPorts: ClosedRange<UInt16>?

    @Option(
        name: .customLong("run"), parsing: .unconditionalSingleValue,
        help: "A further flag of swiftlet run, as --run=--forwarding=redirect.")
    var runFlags: [String] = []

    @Flag(help: "Leave out the rules that kube-proxy writes.")
    var alone = false

    @Option(name: .shortAndLong, help: "text or json.")
    var output = OutputFormat.text

    static func parse(_ text: String) throws -> ClosedRange<UInt16> {
        let ends = text.split(separator: "-").compactMap { UInt16($0) }
        guard ends.count == 2, ends[0] <= ends[1] else { throw ValidationError("'\(text)' is not FIRST-LAST") }
        return ends[0]...ends[1]
    }

    func validate() throws {
        guard seconds > 0, rate > 0, workers > 0 else { throw ValidationError("numbers must be > 0") }
        guard (1...5).contains(endpoints) else { throw ValidationError("--endpoints takes 1 to 5") }
        if local && endpoints > 3 { throw ValidationError("--local takes --endpoints 1 to 3: those of the node") }
        if closing.contains(.reset) { throw ValidationError("a reset leaves nothing in TIME_WAIT") }
    }

    func run() throws {
        let signals = Interruption.catchSignals()
        defer { withExtendedLifetime(signals) {} }
        let proxies = ChurnProxy.allCases.filter { $0 == .swiftlet || !alone && $0.isAvailable }
        var report = ChurnReport()
        for closing in closing.isEmpty ? [.client, .endpoint] : closing {
            for proxy in proxies {
                ProgressLine.show("churn: \(proxy.rawValue), closed by the \(closing.rawValue) first")
                // Each in a network of its own: what one leaves in TIME_WAIT meets nothing of the next.
                let node = try ChurnNode(self, proxy)
                let before = try node.clientResets()
                let load = try node.connect(closing)
                guard !Interruption.isRequested else { throw LabError("end", "the run", cause: "interrupted") }
                report.lines.append(
                    ChurnReport.Line(
                        proxy: proxy, closing: closing, load: load, resets: try node.clientResets() - before)
                )
            }
        }
        ProgressLine.clear()
        Output.line(output == .json ? report.json.text : report.text)
        if !report.isGood { throw ExitCode.failure }
    }
}
