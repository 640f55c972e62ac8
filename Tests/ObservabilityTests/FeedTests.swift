import Dispatch
import KubernetesObjects
import Logging
import Observability
import ServiceModel
import Settings
import Testing
@testable import SwiftletDaemon

extension ControlPlane {
    /// Is busy until the semaphore is signalled.
    fileprivate func work(until end: DispatchSemaphore, _ begun: AsyncStream<Void>.Continuation) {
        begun.yield()
        end.wait()
    }
}

@Suite("Feeding the control plane")
struct FeedTests {
    @Test("a change counts as waiting from when it comes, however busy the control plane", .timeLimit(.minutes(1)))
    func counts() async throws {
        var settings = Configuration(nodeName: "node")
        settings.kubeProxyReplacement = false
        let endpoints = DaemonEndpoints(settings, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let control = KernelControlPlane(
            settings, writer: nil, localAddresses: [], endpoints: endpoints, log: Logger(label: "test"))
        let mailbox = BatchMailbox()
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let end = DispatchSemaphore(value: 0)
        try await withThrowingTaskGroup { group in
            group.addTask { await control.work(until: end, begin) }
            for await _ in begun { break }
            group.addTask { try await FeedService(batches: StateBatches(in: mailbox), control: control).run() }
            mailbox.leave(StateBatch(events: [.nodeGone("other")], isInitial: true))
            while endpoints.sync.statistics.nodes.pending == 0 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(endpoints.sync.statistics.lastSynced == nil)
            end.signal()
            while endpoints.sync.statistics.nodes.pending > 0 { try await Task.sleep(for: .milliseconds(5)) }
            mailbox.close()
            try await group.waitForAll()
        }
        #expect(endpoints.sync.statistics.nodes.seen == 1)
    }
}
