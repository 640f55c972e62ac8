package import KubernetesObjects
package import Logging

/// Follows the Services, EndpointSlices and the own Node of a cluster, and tells what changes as a stream of batches.
///
/// The first batch is the complete list (spec 10); after it, each piece that arrives is a batch at once. While no API
/// server answers nothing is told, and what was told stays true.
package struct KubernetesSource: Sendable {
    private let connection: APIConnection
    private let nodeName: String?
    private let proxyName: String?
    private let scope: ServiceScope
    private let timeouts: Timeouts
    private let time: Timekeeper
    private let log: Logger
    private let mailbox = BatchMailbox()
    private let gate: StateGate
    private let board = StatisticsBoard()
    private let requests: RequestBoard

    /// - Parameters:
    ///   - nodeName: the own Node; nil if none is to be followed.
    ///   - proxyName: nil for the default proxy (spec 2).
    ///   - scope: whether Services that are not served are wanted, too.
    ///   - requests: where requests are counted.
    package init(
        _ connection: APIConnection, nodeName: String?, proxyName: String? = nil, scope: ServiceScope = .served,
        requests: RequestBoard = RequestBoard(), timeouts: Timeouts = Timeouts(), time: Timekeeper, log: Logger
    ) {
        self.connection = connection
        self.requests = requests
        self.nodeName = nodeName
        self.proxyName = proxyName
        self.scope = scope
        self.timeouts = timeouts
        self.time = time
        self.log = log
        let parts: Set<StateGate.Part> = nodeName == nil ? [.services, .slices] : [.services, .slices, .node]
        gate = StateGate(mailbox, waitingFor: parts)
    }

    /// Follows the cluster until the task is cancelled; after that no batch comes. It runs once.
    package func run() async {
        for warning in connection.warnings {
            log.warning("the connection is not safe", metadata: ["reason": "\(warning)"])
        }
        await APISession.with(connection, requests: requests, time: time, timeouts: timeouts, log: log) { session in
            await withDiscardingTaskGroup { group in
                let outages = OutageLog(now: time.now, log: log)
                for selection in selections {
                    let follower = ResourceFollower(
                        selection, session: session, gate: gate, board: board, outages: outages, log: log)
                    group.addTask { await follower.run() }
                }
                if nodeName != nil { group.addTask { await waitForNode() } }
            }
        }
        mailbox.close()
    }

    private var selections: [Selection] {
        [.services(proxyName: proxyName, scope), .slices(scope)] + (nodeName.map { [.node($0)] } ?? [])
    }

    /// Services are programmed without the Node object when it takes too long (spec 11).
    private func waitForNode() async {
        do { try await time.sleep(timeouts.node) } catch { return }
        gate.complete(.node)
    }

    /// What it tells; for one reader.
    package var batches: StateBatches { StateBatches(in: mailbox) }

    /// What was done so far.
    package var statistics: SourceStatistics {
        SourceStatistics(resources: board.all, isSynchronized: gate.isOpen)
    }
}
