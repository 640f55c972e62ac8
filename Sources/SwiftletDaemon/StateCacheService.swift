import DatapathInstall
import Dispatch
import FoundationEssentials
import KubernetesObjects
import Logging
import ServiceLifecycle
import ServiceModel
import SystemPackage

/// Keeps the last known state of the cluster on disk, so that a node that boots while no API server answers has
/// something to serve.
struct StateCacheService: ServiceLifecycle.Service {
    private let cache: StateCache
    private let directory: FilePath
    private let cluster: Set<String>
    private let control: KernelControlPlane
    private let log: Logger
    /// A change is on disk after so long; however many there are, a write comes no more often.
    private static let pause = Duration.seconds(30)

    /// - Parameter cluster: see `APIConnection.clusterMarks`.
    init(directory: FilePath, cluster: Set<String>, control: KernelControlPlane, log: Logger) {
        self.cluster = cluster
        cache = Self.cache(in: directory)
        self.directory = directory
        self.control = control
        self.log = log
    }

    private static func cache(in directory: FilePath) -> StateCache {
        StateCache(path: directory.appending("state.yaml").string)
    }

    /// Reads the cache of a node; nil if there is none that can be used, which is logged.
    static func read(
        from directory: FilePath, node: String, cluster: Set<String>, log: Logger
    ) -> (batch: StateBatch, summary: StateCacheSummary)? {
        do throws(StateCacheError) {
            return try cache(in: directory).read(node: node, cluster: cluster)
        } catch {
            let level: Logger.Level = error.cause == .missing ? .info : .warning
            log.log(level: level, "no cached state", metadata: ["cause": "\(error)"])
            return nil
        }
    }

    /// The objects of a node's cache, read on a thread that may block; none if there is no cache that can be used.
    static func events(
        from directory: FilePath, node: String, cluster: Set<String>, log: Logger
    ) async -> [ClusterEvent] {
        await withCheckedContinuation { continuation in
            DispatchQueue.global(qos: .utility).async {
                continuation.resume(
                    returning: read(from: directory, node: node, cluster: cluster, log: log)?.batch.events ?? [])
            }
        }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var written: Int?
            // Once in any case: a daemon may be told to end before this task has begun.
            repeat {
                try? await Task.sleep(for: written == nil ? .seconds(2) : Self.pause)
                written = await write(unless: written)
            } while !Task.isCancelled
        }
    }

    /// Writes the state if it is another one than was written last.
    /// - Returns: the revision that is on disk.
    private func write(unless written: Int?) async -> Int? {
        guard let (revision, events) = await control.completeState, revision != written else { return written }
        let node = control.nodeName
        let failure: StateCacheError? = await withCheckedContinuation { continuation in
            DispatchQueue.global(qos: .utility).async { [cache, directory, cluster] in
                // What goes wrong here is said when the file is written.
                try? FileManager.default.createDirectory(
                    atPath: directory.string, withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700])
                do throws(StateCacheError) {
                    let now = UnixTime(nanoseconds: Int64(Date().timeIntervalSince1970 * 1e9))
                    _ = try cache.write(events, node: node, cluster: cluster, at: now)
                    continuation.resume(returning: nil)
                } catch {
                    continuation.resume(returning: error)
                }
            }
        }
        await control.setAttention("state cache", to: failure?.description)
        return failure == nil ? revision : written
    }
}
