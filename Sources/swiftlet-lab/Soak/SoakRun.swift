import ConnectBenchmark
import CDatapath
import Glibc
import NetworkLab
import Synchronization

/// One soak from its first manifest to its report. One thread changes, disturbs and looks; the clients are processes,
/// each with a thread that reads what it tells.
final class SoakRun {
    private let options: Soak
    private let services = SoakService.all
    private let node: SoakNode
    private let pods: [[UInt8]: Int]
    private let judge: SharedJudge
    private var random: SeededGenerator
    private var report: SoakReport
    private var daemon: SoakDaemon
    private var nextChange: UInt64 = 0
    private var crowd = SoakCrowd()
    private var nextCrowd: UInt64 = 0
    /// When the changes were made that the maps do not show yet, by their Services.
    private var changedAt: [Int: UInt64] = [:]
    /// Those whose frontends do not show it yet; the rest waits for old backends to be freed.
    private var unsettled: Set<Int> = []
    private var lateServices: Set<Int> = []
    private var nextProgress: UInt64 = 0

    init(_ options: Soak) throws {
        self.options = options
        node = try SoakNode(programs: options.swiftlet, objectsOfOtherLayout: options.otherObjects)
        pods = node.podsByAddress
        let judge = SoakJudge(services, at: MonotonicClock.now)
        self.judge = SharedJudge(judge)
        random = SeededGenerator(seed: options.seed)
        report = SoakReport(seed: options.seed, judge: judge)
        daemon = SoakDaemon(seed: options.seed &+ 1)
    }

    func run() throws -> SoakReport {
        for service in services {
            try node.write(service.manifest(of: judge.history(of: service.number).newest.state), to: service.file)
        }
        try daemon.startFirst(on: node)
        let clients = try SoakJudge.Place.allCases.flatMap { place in
            try [startClients(at: place), startBystanders(at: place)].map { (place, $0) }
        }
        let readers = try clients.map { place, client in try SoakReader(client, place, judge) }
        let start = MonotonicClock.now
        try disturb(until: start + UInt64(options.seconds) * 1_000_000_000)
        ProgressLine.show("soak: waiting for the last changes")
        try settle()
        for (_, client) in clients { client.askToEnd() }
        for reader in readers { reader.join() }
        report.seconds = Double(MonotonicClock.now - start) / 1e9
        ProgressLine.show("soak: looking at what is left")
        try inspect()
        ProgressLine.clear()
        report.judge = judge.value
        report.disturbances = daemon.disturbances
        report.starts = node.starts
        if report.rate < options.atLeast {
            report.judge.fail("\(report.rate) connects a second: fewer than \(options.atLeast)")
        }
        return report
    }

    // MARK: Clients

    private func startClients(at place: SoakJudge.Place) throws -> SoakProcess {
        let inside = place == .node
        func targets(_ fates: [SoakService.Fate], isUDP: Bool) -> [SocketAddress] {
            services.filter { fates.contains($0.fate) }.flatMap { service in
                service.frontends.filter { frontend in
                    guard frontend.isUDP == isUDP, inside || frontend.isForOutside else { return false }
                    // The kernel limits how often it tells a host outside that an address is unreachable.
                    return inside || service.fate != .comesAndGoes || (frontend.kind == .nodePort && !isUDP)
                }.map(\.address)
            }.shuffled(using: &random)
        }
        let stays = targets([.stays], isUDP: true)
        // A connected socket is not told that its backend has gone; packets from outside are asked about one by one.
        let moves = targets([.changes], isUDP: true)
        func list(_ addresses: [SocketAddress]) -> String { addresses.map(\.description).joined(separator: ",") }
        return try node.start(
            "soak-client",
            [
                "--tcp", list(targets([.stays, .changes, .comesAndGoes], isUDP: false)),
                "--udp", list(targets([.stays, .changes, .comesAndGoes], isUDP: true)), "--rate",
                "\(options.rate / 2)", "--tcp-flows", list(targets([.stays, .changes], isUDP: false)),
                "--connected-flows", list(inside ? stays : stays + moves), "--unconnected-flows", list(moves),
                "--flows", "\(options.flows / 2)", "--every", "\(options.every)",
            ], at: place)
    }

    private func startBystanders(at place: SoakJudge.Place) throws -> SoakProcess {
        let stays = services.filter { $0.fate == .stays }
        func doors(_ kind: SoakService.FrontendKind) -> [SocketAddress] {
            stays.flatMap(\.frontends).filter { $0.kind == kind && !$0.isUDP && $0.isForOutside }.map(\.address)
        }
        func hosts(_ hosts: [String]) -> [SocketAddress] { hosts.compactMap { SocketAddress(host: $0, port: 0) } }
        func list(_ addresses: [SocketAddress]) -> String { addresses.map(\.description).joined(separator: ",") }
        let pods = hosts(node.lab.pods.map(\.address4) + node.lab.pods.map(\.address6))
        let common =
            ["--rate", "\(options.bystanders / 2)", "--pods", list(pods)]
            + services.flatMap {
                ["--ports", "\($0.port)"]
            }
        let port = services[0].port
        switch place {
        case .node:
            let endpoints = pods.map { SocketAddress(address: $0.address, port: port) }
            let own = hosts(["10.244.0.1", "fd00:10:244::1"])
            return try node.start(
                "soak-bystanders",
                common + ["--sources", list(own), "--cluster-ips", list(doors(.clusterIP)), "--held", list(endpoints)],
                at: place)
        case .outside:
            let listener = [Lab.nodeAddress4, Lab.nodeAddress6].compactMap {
                SocketAddress(host: $0, port: SoakNode.listenerPort)
            }
            let held = Array(repeating: listener, count: 5).flatMap(\.self)
            let idle = Array(repeating: doors(.nodePort), count: 3).flatMap(\.self)
            let clients = hosts([Lab.outsideAddress4, Lab.outsideAddress6])
            return try node.start(
                "soak-bystanders",
                common + [
                    "--clients", list(clients), "--node-ports", list(doors(.nodePort)), "--held", list(held), "--idle",
                    list(idle),
                ], at: place)
        }
    }

    // MARK: Changes

    private func disturb(until end: UInt64) throws {
        while !Interruption.isRequested {
            let now = MonotonicClock.now
            if now >= end { return }
            if now >= nextProgress { showProgress(at: now, until: end) }
            if now >= nextChange { try change() }
            if now >= nextCrowd { try growCrowd() }
            if let failure = try daemon.advance(on: node, at: now) { judge.fail(failure) }
            try look()
            usleep(2_000)
        }
    }

    private func showProgress(at now: UInt64, until end: UInt64) {
        nextProgress = now + 1_000_000_000
        let passed = options.seconds - Int((end - now) / 1_000_000_000)
        let disturbances = daemon.disturbances.values.reduce(0, +)
        ProgressLine.show(
            "soak: \(ProgressLine.share(passed, of: options.seconds)) s, \(report.changes) changes, "
                + "\(disturbances) disturbances, \(judge.failures) failures")
    }

    /// In the course of the soak as far as it grows.
    private func growCrowd() throws {
        nextCrowd = MonotonicClock.now + UInt64(options.seconds) * 1_000_000_000 / UInt64(SoakCrowd.sizes + 1)
        if let manifest = crowd.grow() { try node.write(manifest, to: SoakCrowd.file) }
    }

    private func change() throws {
        nextChange = MonotonicClock.now + UInt64(options.pause) * 1_000_000
        let service = services[Int.random(in: services.indices, using: &random)]
        let history = judge.history(of: service.number)
        guard history.open < 4, let state = service.next(after: history, using: &random) else { return }
        let now = MonotonicClock.now
        judge.want(state, of: service.number, at: now)
        let manifest = service.manifest(of: state)
        if manifest != nil || service.manifest(of: history.newest.state) != nil {
            try node.write(manifest, to: service.file)
        }
        changedAt[service.number] = now
        unsettled.insert(service.number)
        report.changes += 1
    }

    /// Notes what the maps hold now of the Services that were changed.
    private func look() throws {
        guard !changedAt.isEmpty else { return }
        for (number, shown) in try shown() {
            // A call that begins after this moment meets what was just read, or something newer.
            judge.saw(shown, of: number, at: MonotonicClock.now)
        }
        let now = MonotonicClock.now
        for (number, time) in changedAt {
            let since = daemon.readySince.map { max(time, $0) }
            let history = judge.history(of: number)
            if history.isSettled, unsettled.remove(number) != nil, let since {
                report.latencies.append(Double(max(now, since) - since) / 1e6)
            }
            if history.isForgotten {
                changedAt[number] = nil
                lateServices.remove(number)
            } else if let since, now > since + UInt64(options.within) * 1_000_000,
                lateServices.insert(number).inserted
            {
                judge.fail("\(services[number].name): a change was not in the maps after \(options.within) ms")
            }
        }
    }

    /// What the maps show of the Services that were changed.
    private func shown() throws -> [Int: FrontendMaps.Shown] {
        guard let maps = try ServingMaps(bpfRoot: node.bpfRoot, pods: pods) else { return [:] }
        var shown: [Int: FrontendMaps.Shown] = [:]
        for number in changedAt.keys { shown[number] = try maps.state(of: services[number].frontends) }
        return try maps.arePinned(at: node.bpfRoot) ? shown : [:]
    }

    /// All is left alone, and comes to rest.
    private func settle() throws {
        if let failure = try daemon.endWatch(on: node) { judge.fail(failure) }
        let end = MonotonicClock.now + UInt64(options.within) * 1_000_000 + 1_000_000_000
        while MonotonicClock.now < end, !changedAt.isEmpty {
            try look()
            usleep(2_000)
        }
        for number in changedAt.keys { judge.fail("\(services[number].name): the last change never came") }
        // Once more, when nothing changes.
        usleep(UInt32(min(options.every, 2_000)) * 1_000)
    }

    /// What the daemon and the datapath say of themselves.
    private func inspect() throws {
        let status = try node.status()
        if !status.filter({ !$0.isWhitespace }).contains("\"degraded\":[]") {
            judge.fail("status does not say that all is well: \(status)")
        }
        for counter in ["refuse_bad_slot", "no_way_back"] {
            let shown = status.filter { !$0.isWhitespace }.split(separator: "\"\(counter)\":").dropFirst().first
            if let shown, !shown.hasPrefix("0,"), !shown.hasPrefix("0}") {
                judge.fail("the counter \(counter) is not 0: \(shown.prefix(12))")
            }
        }
        let versions = try node.pinnedVersions
        if versions != [Int(LB_MAP_VERSION)] {
            judge.fail("the maps of versions \(versions) are pinned, and not only those of \(LB_MAP_VERSION)")
        }
        report.room = try ServingMaps(bpfRoot: node.bpfRoot, pods: pods)?.room ?? []
        if report.room.contains(where: { $0 <= SoakNode.initialRoom }) {
            judge.fail("a map has not grown: there is room for \(report.room)")
        }
        _ = try node.end(with: SIGTERM)
    }
}

/// The judge, whom several threads tell.
final class SharedJudge: Sendable {
    private let judge: Mutex<SoakJudge>

    init(_ judge: SoakJudge) { self.judge = Mutex(judge) }

    var value: SoakJudge { judge.withLock { $0 } }

    func history(of service: Int) -> ServiceHistory { judge.withLock { $0.histories[service] } }

    func want(_ state: ServiceHistory.State, of service: Int, at time: UInt64) {
        judge.withLock { $0.want(state, of: service, at: time) }
    }

    func saw(_ shown: FrontendMaps.Shown, of service: Int, at time: UInt64) {
        judge.withLock { $0.saw(shown, of: service, at: time) }
    }

    func judge(_ record: ClientRecord, from place: SoakJudge.Place) {
        judge.withLock { $0.judge(record, from: place) }
    }

    func judge(_ record: BystanderRecord) { judge.withLock { $0.judge(record) } }

    func fail(_ text: String) { judge.withLock { $0.fail(text) } }

    var failures: Int { judge.withLock { $0.failures.count } }
}

/// The thread that reads what a client tells, to its end.
final class SoakReader {
    private let client: SoakProcess
    private var thread: LabThread.Running?

    init(_ client: SoakProcess, _ place: SoakJudge.Place, _ judge: SharedJudge) throws {
        self.client = client
        thread = try LabThread.start {
            do {
                while let line = try client.readLine() {
                    if let record = ClientRecord(line: line) {
                        judge.judge(record, from: place)
                    } else if let record = BystanderRecord(line: line) {
                        judge.judge(record)
                    } else {
                        judge.fail("a client says '\(line)'")
                    }
                }
            } catch {
                judge.fail("\(error)")
            }
        }
    }

    /// A client that is not asked to end would be read for ever.
    deinit { client.askToEnd() }

    func join() { thread = nil }
}
