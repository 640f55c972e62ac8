import Glibc
import KubernetesObjects

/// What is found below a path: the manifests, the directories, and what could not be looked into.
///
/// Names that begin with a dot are passed over, `..data` of a ConfigMap volume too: its files are seen through
/// the symlinks beside it.
struct DirectoryScan {
    private(set) var files: [String: FileStamp] = [:]
    private(set) var directories: [String] = []
    /// Directories that cannot be listed: what is known below them stays.
    private(set) var unreadable: [String: SystemError] = [:]
    /// Directories whose changes will go unnoticed.
    private(set) var unwatched: [String: SystemError] = [:]
    /// What is passed over and looks like a manifest.
    private(set) var doubts: [String: StateProblem] = [:]
    private let table: WatchTable?

    /// Scans a path, which may as well be a file or be missing. Each directory is watched before it is listed.
    init(_ path: String, watching table: WatchTable? = nil) {
        self.table = table
        visit(path, ancestors: [])
    }

    /// Whether a path may be there although it was not found.
    func hides(_ path: String) -> Bool {
        unreadable.keys.contains { path == $0 || path.hasPrefix($0 + "/") }
    }

    private mutating func visit(_ path: String, ancestors: Set<DirectoryIdentity>) {
        switch PathKind(path) {
        case .file(let stamp):
            if FileAccess.isManifest(lastName(path)) {
                files[path] = stamp
            } else if let doubt = FileAccess.doubt(aboutName: path) {
                doubts[path] = doubt
            }
        case .directory(let identity):
            // A symlink to a directory above would never end.
            if !ancestors.contains(identity) { list(path, ancestors: ancestors.union([identity])) }
        case .missing(let number) where number == EACCES && !ancestors.isEmpty:
            // The directory may be listed and not searched: one report is enough.
            unreadable[parent(path)] = SystemError(number)
        case .missing(let number) where !SystemError(number).isAbsence && number != ELOOP:
            unreadable[path] = SystemError(number)
        case .missing: if let doubt = FileAccess.doubt(aboutLink: path) { doubts[path] = doubt }
        case .other(let type): if let doubt = FileAccess.doubt(aboutType: type, of: path) { doubts[path] = doubt }
        }
    }

    private mutating func list(_ path: String, ancestors: Set<DirectoryIdentity>) {
        if let error = table?.watchTree(path) { unwatched[path] = error }
        directories.append(path)
        switch FileAccess.names(in: path) {
        case .success(let names):
            for name in names {
                let entry = path + "/" + name
                if name.hasPrefix(".") { table?.noteHidden(entry) } else { visit(entry, ancestors: ancestors) }
            }
        case .failure(let error):
            unreadable[path] = error
        }
    }
}

func lastName(_ path: String) -> String {
    path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
}

/// The directory that a path stands in.
private func parent(_ path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
}

/// A path without slashes at its end.
func trimmedPath(_ path: String) -> String {
    var trimmed = path
    while trimmed.count > 1 && trimmed.hasSuffix("/") { trimmed.removeLast() }
    return trimmed
}
