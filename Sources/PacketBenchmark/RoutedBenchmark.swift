import ConnectBenchmark
import Glibc
import NetworkLab

/// Connections of clients beyond a node, to NodePorts of many Services and straight to the backend, in the same rounds.
final class RoutedBenchmark {
    private let options: PacketBenchmarkOptions
    private let backend: RoutedBackend
    private let chains: [RoutedWay: RoutedChain]
    private let services: [RoutedWay: BenchmarkServices]
    private var isTracked = false

    /// Makes the network and programs all Services.
    init(_ options: PacketBenchmarkOptions, progress: (String) -> Void) throws {
        self.options = options
        progress("making the network")
        let backend = try RoutedBackend()
        var chains: [RoutedWay: RoutedChain] = [:]
        var services: [RoutedWay: BenchmarkServices] = [:]
        for way in [RoutedWay.direct, .swiftlet, .redirect, .swiftletLocal, .nftables, .empty] {
            let chain = try RoutedChain(to: backend)
            chains[way] = chain
            guard way != .direct && way != .empty else { continue }
            services[way] = chain.services(options.services, areLocal: way == .swiftletLocal)
        }
        (chains[.control], chains[.passing]) = (chains[.direct], chains[.swiftlet])
        chains[.own] = chains[.swiftlet]
        for way in [RoutedWay.swiftlet, .redirect, .swiftletLocal] {
            guard let chain = chains[way], let services = services[way] else { continue }
            progress("programming \(options.services) Services")
            try chain.translate(services, flows: options.flows, redirects: way == .redirect)
        }
        try chains[.empty]?.callEmptyPrograms()
        if let services = services[.nftables] {
            progress("loading nftables rules of \(options.services) Services")
            try chains[.nftables]?.load(services)
        }
        self.backend = backend
        self.chains = chains
        self.services = services
    }

    /// From now on, on every node.
    func trackConnections() throws {
        for (way, chain) in chains where ![.control, .passing, .own].contains(way) { try chain.trackConnections() }
        isTracked = true
    }

    /// Where connects of a way come from.
    private func origin(_ way: RoutedWay) -> String {
        way == .own ? chain(way).node.path : chain(way).client.path
    }

    private func chain(_ way: RoutedWay) -> RoutedChain {
        guard let chain = chains[way] else { preconditionFailure("no chain for \(way)") }
        return chain
    }

    /// Where the clients of a way connect to; one of these by turns.
    private func destinations(_ way: RoutedWay, _ family: IPVersion) -> [SocketAddress] {
        services[way].map { [$0.nodePort(family)] } ?? RoutedBackend.endpoints(family)
    }

    private static let pairs = IPVersion.allCases.flatMap { family in
        RoutedWay.allCases.map { (way: $0, family: family) }
    }

    // MARK: Connects

    func connects(progress: (Double) -> Void) throws -> [ConnectResult] {
        let paths = Self.pairs.map { pair in
            ConnectPath(
                kind: pair.way.kind, namespace: origin(pair.way),
                sources: pair.way == .own ? [] : chain(pair.way).sources(pair.family),
                destinations: destinations(pair.way, pair.family))
        }
        let listener = try backend.listen()
        let samples = try measure(paths, listener, progress)
        var generator = SeededGenerator(seed: 1)
        return zip(Self.pairs, samples).map { pair, path in
            let place = Self.pairs.firstIndex { $0 == (.direct, pair.family) } ?? 0
            let ratio = path.ratio(to: samples[place], using: &generator)
            return ConnectResult(
                way: pair.way, family: pair.family, isTracked: isTracked, latency: path.latency, ratio: ratio,
                goal: pair.way.connectLimit.map { .atMost($0, ratio.p50) })
        }
    }

    private func measure(
        _ paths: [ConnectPath], _ socket: consuming Socket, _ progress: (Double) -> Void
    ) throws -> [PathSamples] {
        var listener: Socket? = socket
        return try LabThread.run {
            // Both ends on one processor: waking the other one would cost what it costs at that moment.
            LabThread.stayOnProcessor()
            var acceptor: Acceptor?
            if let socket = listener.take() { acceptor = try Acceptor(socket) }
            var loop = ConnectLoop(acceptor: acceptor, seed: 1)
            let rounds = InterleavedRounds(paths: paths, rounds: options.rounds, connects: options.connects)
            return try rounds.run(&loop, progress: progress)
        }
    }

    // MARK: Exchanges

    /// A way's connection, and the rate of each round.
    private struct Series {
        let client: ExchangeClient
        var rates: [Double] = []
    }

    func exchanges(_ kind: Exchange, progress: (Double) -> Void) throws -> [ExchangeResult] {
        let size = kind.requestSize(stream: options.streamBytes)
        let count = kind == .stream ? 1 : options.transactions
        let listener = try backend.listen()
        var socket: Socket? = consume listener
        let series = try LabThread.run { () throws -> [Series] in
            LabThread.stayOnProcessor()
            guard let listening = socket.take() else { return [] }
            let responder = Responder(listening, requestSize: size)
            var series = try Self.pairs.map { pair in
                Series(client: try open(pair.way, pair.family, to: responder, requestSize: size))
            }
            for index in series.indices { _ = try series[index].client.run(count) }
            for round in 0..<options.rounds {
                for index in InterleavedRounds.order(of: series.count, round: round) {
                    if Interruption.isRequested { throw PacketBenchmarkError.interrupted }
                    let nanoseconds = try series[index].client.run(count)
                    let amount = kind == .stream ? size : count
                    series[index].rates.append(Double(amount) * 1e9 / Double(nanoseconds))
                }
                progress(Double(round + 1) / Double(options.rounds))
            }
            return series
        }
        return results(kind, series)
    }

    private func open(
        _ way: RoutedWay, _ family: IPVersion, to responder: Responder, requestSize: Int
    ) throws -> ExchangeClient {
        let destination = destinations(way, family)[0]
        try LabThread.enterNamespace(origin(way))
        let socket = try Socket(.tcp, v4: family == .v4)
        try socket.resetOnClose()
        try socket.setTimeout(milliseconds: 5_000)
        try socket.connect(to: destination)
        try responder.accept()
        return try ExchangeClient(socket, requestSize: requestSize)
    }

    private func results(_ kind: Exchange, _ series: [Series]) -> [ExchangeResult] {
        var generator = SeededGenerator(seed: 1)
        return zip(Self.pairs, series).map { pair, measured in
            let place = Self.pairs.firstIndex { $0 == (.nftables, pair.family) } ?? 0
            let ratios = zip(measured.rates, series[place].rates).map { $0 / $1 }
            let interval = Statistics.bootstrapMedian(ratios, using: &generator)
            let ratio = Statistics.median(ratios)
            return ExchangeResult(
                kind: kind, way: pair.way, family: pair.family, isTracked: isTracked,
                perSecond: Statistics.median(measured.rates),
                ratio: ratio, ratioLow: interval.lowerBound, ratioHigh: interval.upperBound,
                goal: pair.way.isOurs ? .atLeast(1, ratio) : nil)
        }
    }
}
