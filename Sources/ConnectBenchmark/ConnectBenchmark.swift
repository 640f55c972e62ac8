package import NetworkLab

/// How much to measure.
package struct BenchmarkOptions: Sendable {
    /// How many services are programmed, in the datapath and in every rule set.
    package var services = 1
    package var backends = 4
    package var rounds = 200
    /// Connects of each path in one round.
    package var connects = 200
    /// Packet filters to measure in the same rounds.
    package var against: [RuleSet] = []
    package var seed: UInt64 = 1

    package init() {}
}

/// Something that runs already: connects go from where this process is.
package struct BenchmarkTarget: Sendable {
    /// Frontends; the first is the one of `vip`, all are those of `random`.
    package var frontends: [SocketAddress]
    /// The backends behind the first frontend.
    package var backends: [SocketAddress]

    package init(frontends: [SocketAddress], backends: [SocketAddress]) {
        self.frontends = frontends
        self.backends = backends
    }
}

/// Where the benchmark is, for a line of progress.
package struct BenchmarkProgress: Sendable {
    package let phase: String
    /// 0 to 1.
    package let share: Double

    package init(phase: String, share: Double) {
        self.phase = phase
        self.share = share
    }
}

/// Real TCP connects, straight to a backend and through a frontend, in the same rounds of the same process.
///
/// Blocks its thread. Takes over SIGINT and SIGTERM: on either it throws `BenchmarkError.interrupted`, after everything
/// that it made is removed.
package struct ConnectBenchmark {
    private let options: BenchmarkOptions
    private let progress: (BenchmarkProgress) -> Void

    package init(_ options: BenchmarkOptions, progress: @escaping (BenchmarkProgress) -> Void = { _ in }) {
        precondition((1...200).contains(options.backends), "the pod of the benchmark has 1 to 200 addresses")
        precondition(options.rounds > 0 && options.connects > 0 && options.services > 0, "nothing to measure")
        self.options = options
        self.progress = progress
    }

    /// Measures in network namespaces of its own; without a datapath, direct connects and rule sets only.
    package func run(_ datapath: (any BenchmarkDatapath)?) throws -> BenchmarkReport {
        try Interruption.catchSignals { try runInOwnNetwork(datapath) }
    }

    /// Measures a frontend that works already, from where this process is.
    ///
    /// - Parameter connect4: the kernel's number of the program to meter; other processes' connects count too.
    package func run(_ target: BenchmarkTarget, connect4: UInt32? = nil) throws -> BenchmarkReport {
        try Interruption.catchSignals { try runAgainst(target, connect4) }
    }

    /// The frontends of that many services, for a datapath to program: ClusterIPs in 198.18.0.0/15, the range that is
    /// set aside for benchmarks, so that no host has them. Rule sets get the same.
    package static func frontends(_ services: Int) -> [SocketAddress] { RuleService.frontends(services) }

    // MARK: Steps

    private func runInOwnNetwork(_ datapath: (any BenchmarkDatapath)?) throws -> BenchmarkReport {
        tell("making the network")
        var network = try BenchmarkNetwork(backends: options.backends)
        let visit = try CgroupVisit()
        let client = try network.addClient()
        var direct = ConnectPath(
            kind: .direct, namespace: client.namespace.path, sources: client.sources,
            destinations: network.backends)
        var paths: [ConnectPath] = []
        var frontends: [SocketAddress] = []
        if let datapath {
            tell("programming \(options.services) services")
            frontends = try datapath.program(services: options.services, backends: network.backends, .tcp)
            direct.cgroup = visit.home
            paths.append(direct.as(.unhooked, to: network.backends))
            direct.cgroup = datapath.cgroup
        }
        paths = [direct, direct.as(.control, to: network.backends)] + Self.paths(to: frontends, like: direct) + paths
        var loading: [RuleSet: Int] = [:]
        for rules in options.against {
            let client = try network.addClient()
            let (path, milliseconds) = try load(
                rules, client, network.backends, cgroup: datapath == nil ? nil : visit.home)
            paths.append(path)
            loading[rules] = milliseconds
        }
        let measured = try measure(
            paths, listener: try network.listen(), datapath?.connect4, home: visit.home
        ) { try datapath?.listening($0) ?? false }
        return report(measured, services: options.services, loading)
    }

    private func runAgainst(_ target: BenchmarkTarget, _ connect4: UInt32?) throws -> BenchmarkReport {
        guard !target.frontends.isEmpty, !target.backends.isEmpty else {
            throw BenchmarkError("the target needs a frontend and its backends")
        }
        let visit = try CgroupVisit()
        let direct = ConnectPath(
            kind: .direct, cgroup: connect4 == nil ? nil : visit.home, destinations: target.backends)
        let paths =
            [direct, direct.as(.control, to: target.backends)] + Self.paths(to: target.frontends, like: direct)
        let measured = try measure(paths, listener: nil, connect4, home: visit.home) { _ in false }
        return report(measured, services: nil, [:])
    }

    private typealias Measured = (samples: [PathSamples], programs: ProgramCosts?)

    /// The frontend in the middle stands for all: a list that is searched from the start finds it half way.
    private static func paths(to frontends: [SocketAddress], like direct: ConnectPath) -> [ConnectPath] {
        guard !frontends.isEmpty else { return [] }
        let one = direct.as(.vip, to: [frontends[frontends.count / 2]])
        return frontends.count == 1 ? [one] : [one, direct.as(.random, to: frontends)]
    }

    private func load(
        _ rules: RuleSet, _ client: BenchmarkNetwork.Client, _ backends: [SocketAddress], cgroup: String?
    ) throws -> (ConnectPath, Int) {
        tell("loading \(rules.rawValue) rules of \(options.services) services")
        let frontends = RuleService.frontends(options.services)
        let start = MonotonicClock.now
        try rules.load(
            RuleService.all(frontends, backends), clusterRange: BenchmarkNetwork.clusterRange,
            in: client.namespace.path)
        let path = ConnectPath(
            kind: rules.kind, namespace: client.namespace.path, cgroup: cgroup, sources: client.sources,
            destinations: [frontends[frontends.count / 2]])
        return (path, Int((MonotonicClock.now - start) / 1_000_000))
    }

    private func measure(
        _ paths: [ConnectPath], listener: consuming Socket?, _ connect4: UInt32?, home: String,
        listening: @escaping (() throws -> Void) throws -> Bool
    ) throws -> Measured {
        var listener = listener
        return try LabThread.run {
            // The acceptor stays on the same processor: waking it then costs no interrupt between processors, whose time
            // depends on what the other one does.
            LabThread.stayOnProcessor()
            var acceptor: Acceptor?
            if let socket = listener.take() { acceptor = try Acceptor(socket) }
            var loop = ConnectLoop(acceptor: acceptor, seed: options.seed)
            let rounds = InterleavedRounds(paths: paths, rounds: options.rounds, connects: options.connects)
            let samples = try rounds.run(&loop) { tell("connecting", $0) }
            guard let connect4 else { return (samples, nil) }
            let group = try Cgroup("bench-empty", below: home)
            let meter = programRounds(paths, connect4, group.path, listening)
            return (samples, try meter?.run(&loop) { tell("metering connect4", $0) })
        }
    }

    private func programRounds(
        _ paths: [ConnectPath], _ connect4: UInt32, _ emptyGroup: String,
        _ listening: @escaping (() throws -> Void) throws -> Bool
    ) -> ProgramRounds? {
        let byKind = Dictionary(paths.map { ($0.kind, $0) }) { first, _ in first }
        guard let direct = byKind[.direct], let vip = byKind[.vip] else { return nil }
        var empty = direct
        empty.cgroup = emptyGroup
        return ProgramRounds(
            connect4: connect4, miss: direct, hit: vip, random: byKind[.random], empty: empty,
            rounds: max(options.rounds / 4, 4), connects: options.connects, listening: listening)
    }

    private func report(_ measured: Measured, services: Int?, _ loading: [RuleSet: Int]) -> BenchmarkReport {
        var generator = SeededGenerator(seed: options.seed)
        let direct = measured.samples[0]
        let byKind = Dictionary(measured.samples.map { ($0.kind, $0) }) { first, _ in first }
        func compare(_ kind: ConnectPath.Kind, _ load: Int? = nil) -> BenchmarkResult.Comparison? {
            guard let samples = byKind[kind] else { return nil }
            return .init(
                latency: samples.latency, ratio: samples.ratio(to: direct, using: &generator), loadMilliseconds: load)
        }
        let vip = compare(.vip)
        let control = (byKind[.control] ?? direct).ratio(to: direct, using: &generator)
        var result = BenchmarkResult(
            services: services, rounds: options.rounds, machine: .current, direct: direct.latency,
            vip: vip?.latency, ratio: vip?.ratio, control: control, random: compare(.random),
            unhooked: compare(.unhooked), programs: measured.programs)
        for rules in options.against { result.against[rules.rawValue] = compare(rules.kind, loading[rules]) }
        return BenchmarkReport(result: result, samples: measured.samples)
    }

    private func tell(_ phase: String, _ share: Double = 0) {
        progress(BenchmarkProgress(phase: phase, share: share))
    }
}

extension ConnectPath {
    /// Another path from the same place.
    fileprivate func `as`(_ kind: Kind, to destinations: [SocketAddress]) -> ConnectPath {
        ConnectPath(
            kind: kind, namespace: namespace, cgroup: cgroup, sources: sources, destinations: destinations)
    }
}

extension Interruption {
    /// What fails because a signal ended a command of ours is an interruption, not a failure.
    static func catchSignals<Value>(during body: () throws -> Value) throws -> Value {
        let signals = catchSignals()
        defer { withExtendedLifetime(signals) {} }
        do {
            return try body()
        } catch  where isRequested {
            throw BenchmarkError.interrupted
        }
    }
}

/// Brings the process back to the cgroup it came from, whatever happens in between.
struct CgroupVisit: ~Copyable {
    let home: String

    init() throws(LabError) { home = try Cgroup.current() }

    // An error could not be reported, and the cgroups that we made hand their processes up when they go.
    deinit { try? Cgroup.enter(home) }
}
