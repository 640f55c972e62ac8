package import KubernetesObjects
import ServiceModel
import Glibc
import SystemCalls
import SystemPackage

/// Watches directories of Kubernetes manifests and tells what they define, as a stream of batches.
///
/// It owns a thread and an inotify descriptor, which end with `stop()` or with the source itself.
package final class ManifestSource: Sendable {
    private let mailbox = BatchMailbox()
    /// The thread polls the other end of this pair.
    private let stopSignal: Descriptor

    /// Begins to watch; the directories are read on the source's own thread.
    ///
    /// - Parameters:
    ///   - directories: each must be there now; one that vanishes later is a problem in a batch.
    ///   - nodePorts: a NodePort outside this range is told of.
    package init(
        directories: [String], nodePorts: ClosedRange<Int> = Service.usualNodePorts
    ) throws(ManifestSourceError) {
        let roots = directories.map(trimmedPath)
        for root in roots where !PathKind(root).isDirectory {
            throw ManifestSourceError(
                .watch, "manifests in \(root)", errno: PathKind(root).absence.number,
                advice: "create the directory or name another one")
        }
        let inotify = try Inotify.open()
        var ends: [Int32] = [0, 0]
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        guard socketpair(AF_UNIX, Int32(kind), 0, &ends) == 0 else {
            throw ManifestSourceError(.watch, "manifests", errno: errno, advice: "raise the limit of open files")
        }
        let stop = Descriptor(adopting: ends[0])
        stopSignal = Descriptor(adopting: ends[1])
        let refusal = DetachedThread.start { [mailbox] in
            var watcher = ManifestWatcher(
                roots: roots, nodePorts: nodePorts, inotify: inotify, stop: stop, mailbox: mailbox)
            watcher.run()
        }
        if let refusal {
            throw ManifestSourceError(
                .watch, "manifests", errno: refusal.rawValue, advice: "raise the limit of threads")
        }
    }

    deinit { stop() }

    /// Ends the thread and, after the last batch, the stream.
    package func stop() {
        // The thread may have ended already, which is no reason to die of SIGPIPE.
        _ = send(stopSignal.number, [0], 1, Int32(MSG_NOSIGNAL))
    }

    /// What it tells; for one reader.
    package var batches: StateBatches { StateBatches(in: mailbox, of: self) }
}
