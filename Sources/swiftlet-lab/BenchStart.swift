import ArgumentParser
import FoundationEssentials
import Glibc
import NetworkLab
import LabAPIServer

struct BenchStart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how swiftlet starts from an API server, and how fast it follows a change.",
        discussion: """
            Runs an API server in this process and `swiftlet run` beside it, with a cgroup and maps of its own, which are
            removed afterwards. A change is one endpoint of one slice; it is timed from the first byte of the watch's event
            to the entry of the pinned map that the datapath reads.

              unshare --net sh -c 'ip link set lo up && build/swiftlet-lab bench-start --markdown start.md'
            """)

    @Option(help: "The program to measure.")
    var swiftlet = "build/swiftlet"

    @Option(
        parsing: .upToNextOption,
        help: """
            Clusters: how many Services, with how many endpoints each. With a number after a colon, so many of the Services \
            find no room in the maps, which do not grow then.
            """)
    var generate = [GeneratedCluster(services: 10_000, endpoints: 10)]

    @Option(help: "How often each cluster is measured, in turns; the figures are medians.")
    var runs = 1

    @Option(help: "How many changes.")
    var changes = 1_000

    @Option(help: "Milliseconds between the end of a change and the next one.")
    var pause = 5

    @Option(help: "Also write a table in Markdown.")
    var markdown: String?

    func run() async throws {
        var table = StartTable(clusters: generate)
        for _ in 0..<runs {
            for cluster in generate where !Interruption.isRequested {
                if let report = try await measure(cluster) { table.add(report, of: cluster) }
            }
        }
        Output.line(table.markdown)
        if let markdown { try table.markdown.write(toFile: markdown, atomically: true, encoding: .utf8) }
    }

    private func measure(_ cluster: GeneratedCluster) async throws -> StartReport? {
        let store = ObjectStore()
        store.put(ClusterObjects.node(MeasuredDaemon.nodeName, address: "127.0.0.1"))
        cluster.fill(store)
        return try await LabAPIServer.with(store: store) { server in
            // What blocks has a thread of its own: the API server needs those of the pool.
            let (results, outcome) = AsyncStream.makeStream(of: Result<StartReport, any Error>.self)
            let thread = try LabThread.start {
                outcome.yield(Result { try measure(cluster, server) })
                outcome.finish()
            }
            var report: StartReport?
            for await result in results { report = try result.get() }
            _ = consume thread
            return report
        }
    }

    private func measure(_ cluster: GeneratedCluster, _ server: LabAPIServer) throws -> StartReport {
        let signals = Interruption.catchSignals()
        defer { withExtendedLifetime(signals) {} }
        var daemon = try MeasuredDaemon(
            program: swiftlet, url: server.url,
            maxServices: cluster.pending == 0 ? nil : cluster.services - cluster.pending)
        var report = StartReport()
        do {
            try daemon.awaitReady(&report, firstRequest: { server.observation.firstRequest })
            let frontends = try PinnedFrontends(bpfRoot: daemon.bpfRoot)
            let served = try (0..<cluster.services).filter { try frontends.firstSlot(of: cluster.vip($0)) != nil }
            for number in 0..<changes where !Interruption.isRequested {
                usleep(UInt32(pause) * 1_000)
                let service = served[number &* 7_919 % served.count]
                report.changes.append(try time(change: number, of: service, cluster, server, frontends))
            }
            report.memoryAtEnd = try daemon.memory()
            report.cpuMilliseconds = try daemon.cpuMilliseconds()
        } catch {
            try daemon.end()
            throw error
        }
        try daemon.end()
        return report
    }

    /// One endpoint of one slice gets another address; the Services take turns, far from each other.
    private func time(
        change number: Int, of service: Int, _ cluster: GeneratedCluster, _ server: LabAPIServer,
        _ frontends: borrowing PinnedFrontends
    ) throws -> Double {
        let vip = cluster.vip(service)
        let before = try frontends.firstSlot(of: vip)
        let address = "10.250.\(number >> 8 & 0xff).\(number & 0xff)"
        server.store.put(cluster.slice(service, first: address))
        let deadline = ContinuousClock.now + .seconds(10)
        while try frontends.firstSlot(of: vip) == before {
            guard ContinuousClock.now < deadline else {
                throw LabError("see", "change \(number) in the maps", cause: "10 seconds passed")
            }
        }
        let end = ContinuousClock.now
        guard try frontends.backends(of: vip).contains(address), let start = server.observation.lastWrite else {
            throw LabError("see", "change \(number) in the maps", cause: "the new slots have not \(address)")
        }
        return (end - start) / .milliseconds(1)
    }
}
