import ArgumentParser
import Glibc
import NetworkLab

/// The bystanders of a soak in one place. They tell what happened and judge nothing.
struct SoakBystanders: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Started by soak: connections that no Service may harm, counted.", shouldDisplay: false)

    @Option(help: "Connects a second.")
    var rate: Int

    @Option(help: "The addresses of all pods: each family's in the pods' order.", transform: Load.parse)
    var pods: [SocketAddress]

    @Option(help: "The ports that every pod listens on.")
    var ports: [UInt16]

    @Option(help: "On the node: its addresses as endpoints see them.", transform: Load.parse)
    var sources: [SocketAddress] = []

    @Option(
        name: .customLong("cluster-ips"), help: "On the node: ClusterIPs whose Services never change.",
        transform: Load.parse)
    var clusterIPs: [SocketAddress] = []

    @Option(help: "Outside: the client's addresses.", transform: Load.parse)
    var clients: [SocketAddress] = []

    @Option(help: "Outside: NodePorts whose Services never change.", transform: Load.parse)
    var nodePorts: [SocketAddress] = []

    @Option(help: "Where connections lead that stay and are used every second.", transform: Load.parse)
    var held: [SocketAddress] = []

    @Option(help: "Where connections lead that stay and are used once, at the end.", transform: Load.parse)
    var idle: [SocketAddress] = []

    private static let connecting = 4
    private static let timeout = 5_000
    /// Those that masqueraded flows have by default, below the kernel's ephemeral ones.
    private static let masquerading: ClosedRange<UInt16> = 1_024...29_999
    /// What a client's flows begin from: of no other client of the soak, and none is used again within a minute.
    private static let ownPorts: Range<Int> = 10_000..<30_000

    func run() throws {
        let signals = Interruption.catchSignals()
        defer { withExtendedLifetime(signals) {} }
        DescriptorLimit.raise()
        let pace = Pace(perSecond: rate)
        try LabThread.parallel(Self.connecting + 1) { number in
            var log = BystanderLog()
            if number < Self.connecting {
                while let turn = pace.next() {
                    if clients.isEmpty { callFromNode(turn, &log) } else { callFromOutside(turn, &log) }
                }
            } else {
                stay(&log)
            }
            log.flush()
        }
    }

    // MARK: From the node

    private func callFromNode(_ turn: Int, _ log: inout BystanderLog) {
        var random = SystemRandomNumberGenerator()
        guard let pod = pods.randomElement(using: &random), let port = ports.randomElement(using: &random) else {
            return
        }
        var options = FlowOptions(target: SocketAddress(address: pod.address, port: port), timeout: Self.timeout)
        switch turn % 5 {
        case 0, 1:
            if turn % 10 == 1 { (options.kind, options.timeout) = (.udp, SoakFlow.patience) }
            call(.probe, options, closes: turn % 2 == 0, &log)
        case 2, 3:
            let own = sources.first { $0.isV4 == pod.isV4 }
            options.source = own.map {
                SocketAddress(address: $0.address, port: .random(in: Self.masquerading, using: &random))
            }
            call(.sharedPort, options, closes: false, &log)
        default:
            options.target = clusterIPs[turn / 5 % clusterIPs.count]
            call(.clusterIP, options, closes: turn % 2 == 0, &log)
        }
    }

    /// - Parameter closes: the connection ends in order, and not by a reset.
    private func call(_ kind: Bystander, _ options: FlowOptions, closes: Bool, _ log: inout BystanderLog) {
        let flow = SoakFlow(options)
        log.note(flow.use(as: .connect), kind)
        if !closes { flow.end() }
    }

    // MARK: From outside

    /// A NodePort, and from the same port the endpoint that it led to: after the flow has ended, or while it lives.
    private func callFromOutside(_ turn: Int, _ log: inout BystanderLog) {
        guard turn % 2 == 0 else { return }  // its turn is the second connect of the one before
        let number = turn / 2
        let door = nodePorts[number % nodePorts.count]
        guard let client = clients.first(where: { $0.isV4 == door.isV4 }) else { return }
        let port = UInt16(Self.ownPorts.lowerBound + number % Self.ownPorts.count)
        let source = SocketAddress(address: client.address, port: port)
        var flow: SoakFlow? = SoakFlow(FlowOptions(target: door, source: source, timeout: Self.timeout))
        guard let first = flow?.use(as: .connect) else { return }
        log.note(first, .nodePort)
        guard let endpoint = endpoint(first.backend, ofFamilyOf: door) else { return }
        if number % 3 == 0 { flow?.end() }
        if number % 3 < 2 { flow = nil }
        let straight = SoakFlow(FlowOptions(target: endpoint, source: source, timeout: Self.timeout))
        log.note(straight.use(as: .connect), .straight)
        if let flow { log.note(flow.use(as: .exchange), .nodePort) }
        straight.end()
        flow?.end()
    }

    /// The address of a pod by what it calls itself: `pod-1:9000`.
    private func endpoint(_ name: String, ofFamilyOf door: SocketAddress) -> SocketAddress? {
        let words = name.split { $0 == "-" || $0 == ":" }
        let family = pods.filter { $0.isV4 == door.isV4 }
        guard words.count == 3, let number = Int(words[1]), let port = UInt16(words[2]),
            family.indices.contains(number - 1)
        else { return nil }
        return SocketAddress(address: family[number - 1].address, port: port)
    }

    // MARK: Connections that stay

    private func stay(_ log: inout BystanderLog) {
        func opened(_ targets: [SocketAddress], _ kind: Bystander) -> [SoakFlow] {
            targets.map { target in
                let flow = SoakFlow(FlowOptions(target: target, timeout: Self.timeout))
                log.note(flow.use(as: .open), kind)
                return flow
            }
        }
        let idle = opened(idle, .idle)
        let held = opened(held, .held)
        var due = MonotonicClock.now
        while !Interruption.isRequested {
            for flow in held where !Interruption.isRequested { log.note(flow.use(as: .exchange), .held) }
            due += 1_000_000_000
            _ = Pace.sleep(until: due)
        }
        for flow in idle { log.note(flow.use(as: .exchange), .idle) }
    }
}

/// What one thread has to tell, in pieces.
private struct BystanderLog {
    private var records: [Bystander: BystanderRecord] = [:]
    private var writer = RecordWriter()
    private var lastTold = MonotonicClock.now

    mutating func note(_ record: ClientRecord, _ kind: Bystander) {
        guard record.result != "interrupted" else { return }
        if record.result == "ok" {
            if record.act == .exchange {
                records[kind, default: .init(kind: kind)].exchanges += 1
            } else {
                records[kind, default: .init(kind: kind)].connects += 1
            }
        } else {
            let milliseconds = (record.end - record.start) / 1_000_000
            let failure = "\(record.result) at \(record.stage) of \(record.target) after \(milliseconds) ms"
            writer.write(
                line: BystanderRecord(
                    kind: kind, connects: record.act == .exchange ? 0 : 1, failure: failure
                ).line)
        }
        if MonotonicClock.now - lastTold > 500_000_000 { flush() }
    }

    mutating func flush() {
        for record in records.values { writer.write(line: record.line) }
        writer.flush()
        records = [:]
        lastTold = MonotonicClock.now
    }
}
