import KubernetesObjects
import ServiceModel
import SystemCalls

/// The manifests on disk and what they define: every way of reading them ends here.
struct ManifestTree {
    private struct Known {
        /// Nil when the file could not be read, so that the next look reads it again.
        var stamp: FileStamp?
        var hash: Int?
    }

    private let roots: [String]
    private let table: WatchTable?
    private let parser: ManifestParser
    private var files: [String: Known] = [:]
    private var directories: Set<String> = []
    private var identities: [String: DirectoryIdentity] = [:]
    private var unreadable: Set<String> = []
    private var faults: Set<String> = []
    /// Paths that are passed over and look like manifests.
    private var doubts: Set<String> = []
    /// Files that are gone and still count, until `letGo`.
    private var leaving: Set<String> = []
    private var state = ManifestState()

    /// - Parameter table: gets a watch for each directory that is found; nil to read only once.
    init(roots: [String], nodePorts: ClosedRange<Int> = Service.usualNodePorts, watching table: WatchTable? = nil) {
        self.roots = roots.map(trimmedPath)
        self.table = table
        parser = ManifestParser(nodePorts: nodePorts)
    }

    /// Given directories that are not there.
    private var missingRoots: [String] { roots.filter { !directories.contains($0) } }

    /// Directories that are not there although they were given, and what cannot be looked into. What was read there stays
    /// as it was: a directory that is taken away does not say that its Services are unwanted.
    var hidden: Set<String> { Set(missingRoots).union(unreadable) }

    /// Given directories that are others than those that were looked at, or gone. The kernel tells of what happens in a
    /// directory, not of what happens to the way there: a symlink, a mount, a directory above.
    var replacedRoots: [String] {
        roots.filter { directories.contains($0) && PathKind($0).identity != identities[$0] }
    }

    /// The first, complete look.
    mutating func load() -> StateBatch {
        var rest = look(at: Set(roots)).sorted()[...]
        // A few files at a time, so that few texts are in memory at once.
        while !rest.isEmpty {
            let chunk = Array(rest.prefix(64))
            rest = rest.dropFirst(chunk.count)
            for reading in FileReading.read(chunk, by: parser) { apply(reading.copied) }
        }
        let batch = commit(isInitial: true)
        Heap.trim()
        return batch
    }

    /// Looks at paths again, and at all that is below them.
    /// - Returns: the files that must be read.
    mutating func look(at paths: Set<String>) -> Set<String> {
        var changed: Set<String> = []
        for path in paths.sorted() { changed.formUnion(look(at: path)) }
        table?.watchLinks(changed)
        return changed
    }

    /// Looks at everything and trusts no stamp: what the kernel had to tell was lost.
    mutating func lookAtEverything() -> Set<String> {
        look(at: Set(roots)).union(files.keys)
    }

    func isKnown(_ file: String) -> Bool { files[file] != nil }

    func read(_ path: String) -> FileReading {
        FileReading(of: path, knownHash: files[path]?.hash, parser: parser)
    }

    mutating func apply(_ reading: FileReading) {
        leaving.remove(reading.path)
        switch reading.outcome {
        case .same(let stamp): files[reading.path]?.stamp = stamp
        case .changed(let stamp, let hash, let parsed):
            files[reading.path] = Known(stamp: stamp, hash: hash)
            state.apply(.parsed(parsed), of: reading.path)
        case .failed(let error) where error.isAbsence: if isKnown(reading.path) { leaving.insert(reading.path) }
        case .failed(let error):
            files[reading.path] = Known()
            state.apply(.unreadable(error.problem(with: reading.path)), of: reading.path)
        }
    }

    var hasLeavingFiles: Bool { !leaving.isEmpty }

    /// Believes that files are gone, but for those in given directories that are gone themselves.
    mutating func letGo() {
        let absent = roots.filter { !PathKind($0).isDirectory }
        for file in leaving where !absent.contains(where: file.isBelow) { forget(file) }
        leaving = []
    }

    /// Ends a round of changes.
    mutating func commit(isInitial: Bool = false) -> StateBatch {
        while true {
            let again = state.filesToReadAgain()
            if again.isEmpty { return state.commit(isInitial: isInitial, hidden: hidden) }
            for path in again {
                files[path]?.hash = nil
                apply(read(path))
            }
        }
    }
}

/// Looking: which files are there, and which of them changed.
extension ManifestTree {
    private mutating func look(at path: String) -> Set<String> {
        for root in roots where root == path || root.isBelow(path) { identities[root] = PathKind(root).identity }
        let scan = DirectoryScan(path, watching: table)
        let isUnder = { (candidate: String) in candidate == path || candidate.isBelow(path) }
        // Most looks are at a single file, which needs no search through the others.
        let isTree = directories.contains(path) || !scan.directories.isEmpty
        let known = isTree ? files.keys.filter(isUnder) : [path].filter(isKnown)
        leaving.subtract(scan.files.keys)
        leaving.formUnion(known.filter { scan.files[$0] == nil && !scan.hides($0) })
        let found = Set(scan.directories)
        for directory in directories where isTree && isUnder(directory) {
            if found.contains(directory) || scan.hides(directory) { continue }
            directories.remove(directory)
            table?.drop(directory)
        }
        directories.formUnion(found)
        let missing = missingRoots
        leaving = leaving.filter { file in !missing.contains(where: file.isBelow) }
        unreadable = unreadable.filter { !isUnder($0) }.union(scan.unreadable.keys)
        reportFaults(scan, isUnder)
        reportDoubts(scan, isUnder)
        return Set(scan.files.filter { files[$0.key]?.stamp != $0.value }.keys)
    }

    private mutating func forget(_ file: String) {
        files[file] = nil
        table?.drop(file)
        state.apply(.gone, of: file)
        guard let doubt = FileAccess.doubt(aboutLink: file) else { return }
        doubts.insert(file)
        state.apply(.unreadable(doubt), of: file)
    }

    /// Reports what is passed over, unless it was a manifest until now: then it counts until it is let go.
    private mutating func reportDoubts(_ scan: DirectoryScan, _ isUnder: (String) -> Bool) {
        for path in doubts where scan.doubts[path] == nil && isUnder(path) {
            doubts.remove(path)
            state.apply(.gone, of: path)
        }
        for (path, doubt) in scan.doubts where !isKnown(path) && doubts.insert(path).inserted {
            state.apply(.unreadable(doubt), of: path)
        }
    }

    /// Reports directories that cannot be listed or watched, and given ones that are not there.
    private mutating func reportFaults(_ scan: DirectoryScan, _ isUnder: (String) -> Bool) {
        var now = scan.unreadable.merging(scan.unwatched) { first, _ in first }
        for root in missingRoots { now[root] = PathKind(root).absence }
        for directory in faults where now[directory] == nil && (isUnder(directory) || roots.contains(directory)) {
            faults.remove(directory)
            state.apply(.gone, of: directory)
        }
        let hidden = hidden
        for (directory, error) in now where faults.insert(directory).inserted {
            var problem = error.problem(with: directory)
            if table != nil, hidden.contains(directory) {
                problem.advice += "; until then all stays as it was read there last"
            }
            state.apply(.unreadable(problem), of: directory)
        }
    }
}

extension String {
    fileprivate func isBelow(_ directory: String) -> Bool { hasPrefix(directory + "/") }
}
