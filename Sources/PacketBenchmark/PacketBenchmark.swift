package import ConnectBenchmark
import NetworkLab

/// How much to measure.
package struct PacketBenchmarkOptions: Sendable {
    /// packets.bpf.o, which repeats packets.
    package var object: [UInt8]
    /// On the routed nodes, and on the second of those with test runs: the first has one.
    package var services = 10_000
    package var rounds = 120
    /// Rounds and repetitions of each kind of packet.
    package var programRounds = 41
    package var repeats = 50_000
    /// Of each way in a round.
    package var connects = 60
    package var transactions = 300
    package var streamBytes = 16 << 20
    /// Entries for flows, two each, per family. Fewer flows than ports that the node has towards one endpoint.
    package var flows: UInt32 = 65_536

    package init(object: [UInt8]) { self.object = object }
}

/// Services of clients beyond the node: what a packet costs in the programs at tc, and what that means for connections.
///
/// Blocks its thread. Takes over SIGINT and SIGTERM: on either it throws, after everything that it made is removed.
package struct PacketBenchmark {
    private let options: PacketBenchmarkOptions
    private let progress: (BenchmarkProgress) -> Void

    package init(_ options: PacketBenchmarkOptions, progress: @escaping (BenchmarkProgress) -> Void = { _ in }) {
        precondition((1...BenchmarkServices.most).contains(options.services), "NodePorts for 1 to 10,000 Services")
        self.options = options
        self.progress = progress
    }

    package func run() throws -> PacketReport {
        let signals = Interruption.catchSignals()
        defer { withExtendedLifetime(signals) {} }
        do {
            let programs = try runPrograms()
            let routed = try RoutedBenchmark(options) { tell($0) }
            var (connects, exchanges): ([ConnectResult], [ExchangeResult]) = ([], [])
            for isTracked in [false, true] {
                if isTracked { try routed.trackConnections() }
                connects += try routed.connects { tell("connecting", $0) }
                exchanges += try Exchange.allCases.flatMap { kind in
                    try routed.exchanges(kind) { tell(kind.rawValue, $0) }
                }
            }
            let bystanders = connects.filter(\.way.isBystander).reduce(0) { $0 + Int($1.latency.connects) }
            return PacketReport(
                machine: .current, services: options.services, programs: programs,
                families: FamilyResult.all(programs), bystanders: bystanders, connects: connects, exchanges: exchanges)
        } catch  where Interruption.isRequested {
            throw PacketBenchmarkError.interrupted
        }
    }

    private func runPrograms() throws -> [ProgramResult] {
        tell("loading programs")
        let labs =
            try Set([1, options.services]).sorted().map { services in
                try PacketLab(object: options.object, services: services, flows: options.flows)
            } + [
                PacketLab(object: options.object, services: options.services, flows: options.flows, redirects: true)
            ]
        return try ProgramBenchmark(rounds: options.programRounds, repeats: options.repeats)
            .run(labs) { tell("running packets", $0) }
    }

    private func tell(_ phase: String, _ share: Double = 0) {
        progress(BenchmarkProgress(phase: phase, share: share))
    }
}
