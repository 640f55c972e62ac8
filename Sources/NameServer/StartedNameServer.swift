import Logging
import NIOCore
import NIOPosix
import protocol ServiceLifecycle.Service
import func ServiceLifecycle.cancelWhenGracefulShutdown
import Synchronization

/// A name server that answers already, and goes on while it runs: addresses that could not be had, or were lost, are tried
/// again, and the upstream servers followed.
package final class StartedNameServer: Service {
    private static let pause = Duration.seconds(5)

    private let server: NameServer
    // A thread of its own: many questions must not keep the API server's watch waiting.
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let resolver: NameResolver
    private let upstream: Upstream?
    private let open = Mutex<[NameServerSettings.Address: NameListener]>([:])

    init(_ server: NameServer) {
        self.server = server
        upstream = server.settings.forwards ? Upstream([], group: group) : nil
        resolver = NameResolver(
            table: server.table, admission: server.admission, counters: server.board.counters, upstream: upstream)
        server.board.watch(resolver)
    }

    /// Tries each address once.
    func begin() async {
        if let upstream { refresh(upstream) }
        for address in server.settings.bind {
            let listener = await listen(on: address)
            open.withLock { $0[address] = listener }
        }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { tasks in
                for address in self.server.settings.bind { tasks.addTask { await self.serve(address) } }
                if let upstream = self.upstream { tasks.addTask { await self.follow(upstream) } }
            }
        }
        try? await group.shutdownGracefully()
    }

    /// Reads the upstream servers again: resolv.conf changes with the network.
    private func follow(_ upstream: Upstream) async {
        while !Task.isCancelled {
            refresh(upstream)
            try? await Task.sleep(for: Self.pause)
        }
    }

    private func refresh(_ upstream: Upstream) {
        let servers = server.upstream()
        guard server.board.set(upstream: servers) else { return }
        upstream.use(servers.compactMap { try? $0.socketAddress })
        let shown = servers.map(\.description).joined(separator: ", ")
        server.log.info(
            "asking others for other names", metadata: ["servers": "\(shown.isEmpty ? "none" : shown)"])
    }

    private func serve(_ address: NameServerSettings.Address) async {
        while !Task.isCancelled {
            if let listener = open.withLock({ $0.removeValue(forKey: address) }) {
                await listener.untilClosed()
            } else {
                let listener = await listen(on: address)
                open.withLock { $0[address] = listener }
                if listener != nil { continue }
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    /// Nil if the address cannot be had, which is told when it is news.
    private func listen(on address: NameServerSettings.Address) async -> NameListener? {
        do {
            let listener = try await NameListener(
                at: address.socketAddress, resolver, idleTime: server.idleTime, group)
            server.log.info("answering DNS", metadata: ["address": "\(address)"])
            server.board.set(address, to: nil)
            return listener
        } catch {
            let cause = (error as? IOError).map { NameListener.text($0) } ?? "\(error)"
            let problem = "cannot answer DNS on \(address): \(cause); check --dns-bind"
            if server.board.set(address, to: problem) {
                server.log.warning("cannot answer DNS, trying again", metadata: ["cause": "\(problem)"])
            }
            return nil
        }
    }
}
