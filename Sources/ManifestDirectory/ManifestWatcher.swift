import KubernetesObjects
import Glibc

/// The watching thread's work: waits for the kernel, lets bursts end, reads what changed, leaves batches.
///
/// It blocks, and so runs on a thread of its own.
struct ManifestWatcher: ~Copyable {
    /// How long a file that is being written is left alone when its writer neither writes on nor closes it.
    private static let patience = Duration.milliseconds(200)
    /// The same for one that is empty: its writer has made room for what it is still about to fetch, as
    /// `kubectl get -o yaml > file` does.
    private static let emptyPatience = Duration.seconds(10)
    /// A directory's files are deleted before it is: while only removals come, they are not acted on yet.
    private static let removalPatience = Duration.milliseconds(500)
    /// How often a directory that is hidden is looked for: nothing tells of it, since what held it may be gone as well.
    private static let searchInterval = Duration.milliseconds(100)
    /// How often the given directories are compared with those that were looked at.
    private static let comparisonInterval = Duration.seconds(1)
    /// How long a directory must be back before it is read: it may still be being filled.
    private static let settling = Duration.milliseconds(500)

    private let clock = ContinuousClock()
    private let stop: Descriptor
    private let mailbox: BatchMailbox
    private let table: WatchTable
    private var tree: ManifestTree
    private var burst = QuietPeriod()
    private var stale: Set<String> = []
    private var written: Set<String> = []
    /// Files that are being written, and until when they are left alone.
    private var inFlux: [String: ContinuousClock.Instant] = [:]
    private var hasOverflown = false
    private var removals = QuietPeriod(quiet: removalPatience, longest: .seconds(2))
    /// Hidden directories that can be looked into again, and since when.
    private var returning: [String: ContinuousClock.Instant] = [:]
    private var nextComparison = ContinuousClock.now + comparisonInterval

    init(
        roots: [String], nodePorts: ClosedRange<Int>, inotify: Descriptor, stop: Descriptor, mailbox: BatchMailbox
    ) {
        self.stop = stop
        self.mailbox = mailbox
        table = WatchTable(Inotify(inotify))
        tree = ManifestTree(roots: roots, nodePorts: nodePorts, watching: table)
    }

    /// Works until `stop` is written to.
    mutating func run() {
        mailbox.leave(tree.load())
        while waitForNews() {
            takeNotices()
            takeFiles()
            search()
            compare()
            if !stale.isEmpty && burst.end == nil { burst.noteChange(at: clock.now) }
            if let end = burst.end, end <= clock.now { finishBurst() }
            if let end = removals.end, end <= clock.now {
                letGo()
                mailbox.leave(tree.commit())
            }
        }
        mailbox.close()
    }

    /// Sleeps until the kernel has news or a time-out ends; false when it is time to stop.
    private func waitForNews() -> Bool {
        var descriptors = [
            pollfd(fd: table.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: stop.number, events: Int16(POLLIN), revents: 0),
        ]
        let deadlines = [
            burst.end, removals.end,
            inFlux.values.min(),
            tree.hidden.isEmpty ? nil : clock.now + Self.searchInterval, nextComparison,
        ]
        let timeOut = deadlines.compactMap { $0 }.min().map { milliseconds(until: $0) } ?? -1
        _ = poll(&descriptors, 2, timeOut)
        return descriptors[1].revents == 0
    }

    /// Looks for hidden directories; those that have been back for a while are looked at like any other change.
    private mutating func search() {
        let found = tree.hidden.filter(FileAccess.isSearchable)
        returning = returning.filter { found.contains($0.key) }
        for path in found {
            let since = returning[path] ?? clock.now
            returning[path] = since
            if since + Self.settling <= clock.now { stale.insert(path) }
        }
    }

    private mutating func compare() {
        guard nextComparison <= clock.now else { return }
        nextComparison = clock.now + Self.comparisonInterval
        stale.formUnion(tree.replacedRoots)
    }

    /// Rounded up, so that the time has come when poll(2) returns.
    private func milliseconds(until instant: ContinuousClock.Instant) -> Int32 {
        let rest = (instant - clock.now).components
        if rest.seconds < 0 || rest.attoseconds < 0 { return 0 }
        return Int32(clamping: rest.seconds * 1000 + rest.attoseconds / 1_000_000_000_000_000 + 1)
    }

    private mutating func takeNotices() {
        let notice = table.notices()
        if notice.isEmpty { return }
        let now = clock.now
        if notice.hasOverflown {
            hasOverflown = true
            inFlux = [:]
        }
        for path in notice.settled { inFlux[path] = nil }
        for path in notice.inFlux {
            inFlux[path] = now + (FileAccess.isEmpty(path) ? Self.emptyPatience : Self.patience)
        }
        stale.formUnion(notice.stale)
        written.subtract(notice.inFlux)
        written.formUnion(notice.written)
        if notice.hasOverflown || !stale.isEmpty || !written.isEmpty { burst.noteChange(at: now) }
    }

    /// Gives up waiting for writers that keep a file open: what is there is read.
    private mutating func takeFiles() {
        let now = clock.now
        for (path, end) in inFlux where end <= now {
            inFlux[path] = nil
            written.insert(path)
            burst.noteChange(at: now)
        }
    }

    private mutating func finishBurst() {
        burst.reset()
        var changed = hasOverflown ? tree.lookAtEverything() : []
        changed.formUnion(tree.look(at: stale.union(written.filter { !tree.isKnown($0) })))
        changed.formUnion(written)
        hasOverflown = false
        stale = []
        written = []
        let readings = changed.subtracting(inFlux.keys).sorted().map { tree.read($0) }
        // A file whose writer began while it was read may have been read by half.
        takeNotices()
        // The file that an object has left it may have left for another one.
        if !changed.isEmpty { letGo() }
        for reading in readings where inFlux[reading.path] == nil { tree.apply(reading) }
        if tree.hasLeavingFiles { removals.noteChange(at: clock.now) }
        mailbox.leave(tree.commit())
    }

    private mutating func letGo() {
        removals.reset()
        tree.letGo()
    }
}
