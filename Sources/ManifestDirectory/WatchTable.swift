import Glibc
import KubernetesObjects

/// Which paths each watch of the kernel stands for.
///
/// A watched directory may be reached by several paths, and may hold the files behind symlinks that stand
/// elsewhere. A class, since looking at the tree adds watches while the watcher reads notices.
final class WatchTable {
    private struct Watch {
        /// Paths by which the directory is part of the tree.
        var trees: Set<String> = []
        /// Manifests of the tree that are symlinks into the directory.
        var links: Set<String> = []

        var isUnused: Bool { trees.isEmpty && links.isEmpty }
    }

    /// What an event means for the tree.
    struct Notice {
        /// Paths to look at again, with all that is below them.
        var stale: Set<String> = []
        /// Files that were closed by a writer.
        var written: Set<String> = []
        /// Files that a writer is changing now.
        var inFlux: Set<String> = []
        /// Notices were lost: everything must be looked at.
        var hasOverflown = false

        var isEmpty: Bool { stale.isEmpty && written.isEmpty && inFlux.isEmpty && !hasOverflown }
        /// Paths that no writer is changing any longer.
        var settled: Set<String> { stale.union(written) }
    }

    private let inotify: Inotify
    private var watches: [Int32: Watch] = [:]
    private var numberOfTree: [String: Int32] = [:]
    private var numberOfLink: [String: Int32] = [:]
    /// Symlinks with a hidden name, `..data` above all.
    private var hiddenLinks: Set<String> = []

    init(_ inotify: consuming Inotify) { self.inotify = inotify }

    /// For poll(2).
    var descriptor: Int32 { inotify.descriptor.number }

    /// Watches a directory of the tree; what stood at this path before is watched no longer.
    /// - Returns: why it cannot be watched, nil if it is.
    func watchTree(_ path: String) -> SystemError? {
        switch inotify.watch(path) {
        case .success(let number):
            if let old = numberOfTree[path], old != number { dropTree(path) }
            watches[number, default: Watch()].trees.insert(path)
            numberOfTree[path] = number
            return nil
        case .failure(let error): return error
        }
    }

    /// Watches the directories that hold the files behind those of these paths that are symlinks.
    func watchLinks(_ files: some Sequence<String>) {
        for path in files where FileAccess.isSymlink(path) { watchLink(path) }
    }

    /// Ends what was watched for a path that is no longer there.
    func drop(_ path: String) {
        dropTree(path)
        dropLink(path)
    }

    private func watchLink(_ path: String) {
        guard let directory = FileAccess.realDirectory(of: path) else { return }
        guard case .success(let number) = inotify.watch(directory), numberOfLink[path] != number else { return }
        dropLink(path)
        watches[number, default: Watch()].links.insert(path)
        numberOfLink[path] = number
    }

    private func dropTree(_ path: String) {
        guard let number = numberOfTree.removeValue(forKey: path) else { return }
        watches[number]?.trees.remove(path)
        endIfUnused(number)
    }

    private func dropLink(_ path: String) {
        guard let number = numberOfLink.removeValue(forKey: path) else { return }
        watches[number]?.links.remove(path)
        endIfUnused(number)
    }

    private func endIfUnused(_ number: Int32) {
        guard watches[number]?.isUnused == true else { return }
        watches[number] = nil
        inotify.endWatch(number)
    }
}

/// From the kernel's events to paths.
extension WatchTable {
    func notices() -> Notice {
        var notice = Notice()
        for event in inotify.events() { add(event, to: &notice) }
        return notice
    }

    private func add(_ event: Inotify.Event, to notice: inout Notice) {
        if event.has(Int(IN_Q_OVERFLOW)) {
            notice.hasOverflown = true
            return
        }
        guard let watch = watches[event.watch] else { return }
        if event.has(Int(IN_IGNORED)) { forget(event.watch, watch) }
        for link in watch.links { notice.add(link, event) }
        for directory in watch.trees {
            if event.name.isEmpty {
                notice.stale.insert(directory)
            } else if event.name.hasPrefix(".") {
                if leadsSomewhere(directory + "/" + event.name, event) { notice.stale.insert(directory) }
            } else {
                let path = directory + "/" + event.name
                if event.isDirectory || numberOfTree[path] != nil || FileAccess.isManifest(event.name.lowercased()) {
                    notice.add(path, event)
                } else if event.has(Int(IN_CREATE) | Int(IN_MOVED_TO)) {
                    // A symlink to a directory is no directory to the kernel.
                    notice.stale.insert(path)
                }
            }
        }
    }

    /// What is hidden is not read itself, but symlinks beside it may lead through it, through `..data` for one.
    /// The hidden files that editors and atomic writes leave for a moment lead nowhere.
    private func leadsSomewhere(_ path: String, _ event: Inotify.Event) -> Bool {
        if event.isDirectory { return true }
        let wasLink = hiddenLinks.contains(path)
        return noteHidden(path) || wasLink
    }

    /// Notes whether a hidden name is a symlink now.
    @discardableResult
    func noteHidden(_ path: String) -> Bool {
        let isLink = FileAccess.isSymlink(path)
        if isLink { hiddenLinks.insert(path) } else { hiddenLinks.remove(path) }
        return isLink
    }

    /// The kernel has ended a watch by itself: the directory is gone.
    private func forget(_ number: Int32, _ watch: Watch) {
        watches[number] = nil
        for path in watch.trees where numberOfTree[path] == number { numberOfTree[path] = nil }
        for path in watch.links where numberOfLink[path] == number { numberOfLink[path] = nil }
    }
}

extension WatchTable.Notice {
    /// Notes what an event says of a path; events come in order, and the later one counts.
    fileprivate mutating func add(_ path: String, _ event: Inotify.Event) {
        if event.has(Int(IN_CLOSE_WRITE)) {
            inFlux.remove(path)
            written.insert(path)
        } else if event.has(Int(IN_MODIFY)) {
            inFlux.insert(path)
            written.remove(path)
        } else {
            inFlux.remove(path)
            stale.insert(path)
        }
    }
}
