import KubernetesObjects
import Glibc
import SystemCalls
import SystemPackage

/// What tells two states of a file apart without reading it.
struct FileStamp: Hashable, Sendable {
    var inode: UInt
    var size: Int
    var modified: Int
    var changed: Int

    init(_ status: stat) {
        inode = UInt(status.st_ino)
        size = Int(status.st_size)
        modified = status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
        changed = status.st_ctim.tv_sec * 1_000_000_000 + status.st_ctim.tv_nsec
    }
}

/// What a path leads to, symlinks followed.
enum PathKind {
    case file(FileStamp)
    case directory(DirectoryIdentity)
    /// A socket, a device, a pipe, by its type: never opened.
    case other(mode_t)
    case missing(Int32)

    init(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            self = .missing(errno)
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: self = .file(FileStamp(status))
        case S_IFDIR: self = .directory(DirectoryIdentity(device: UInt(status.st_dev), inode: UInt(status.st_ino)))
        default: self = .other(status.st_mode & S_IFMT)
        }
    }

    var isDirectory: Bool { identity != nil }

    /// Which directory it is.
    var identity: DirectoryIdentity? {
        if case .directory(let identity) = self { identity } else { nil }
    }

    /// Why there is no directory.
    var absence: SystemError {
        if case .missing(let number) = self { SystemError(number) } else { SystemError(ENOTDIR) }
    }
}

struct DirectoryIdentity: Hashable, Sendable {
    var device: UInt
    var inode: UInt
}

enum FileAccess {
    static func isEmpty(_ path: String) -> Bool {
        if case .file(let stamp) = PathKind(path) { stamp.size == 0 } else { false }
    }

    /// Reads a whole file and the stamp that it had when it was opened.
    ///
    /// - Parameter isManifest: it must be a regular file, and may have been replaced by a pipe since it was looked at.
    static func read(_ path: String, isManifest: Bool = true) -> Result<(bytes: [UInt8], stamp: FileStamp), SystemError>
    {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { return .failure(SystemError(errno)) }
        let descriptor = Descriptor(adopting: number)
        var status = stat()
        guard fstat(descriptor.number, &status) == 0 else { return .failure(SystemError(errno)) }
        if isManifest && status.st_mode & S_IFMT != S_IFREG { return .failure(SystemError(EINVAL)) }
        guard status.st_size <= mostBytes else { return .failure(SystemError(EFBIG)) }
        do throws(Errno) {
            let bytes = try FileDescriptor(rawValue: number).rest(atMost: mostBytes + 1)
            return bytes.count > mostBytes ? .failure(SystemError(EFBIG)) : .success((bytes, FileStamp(status)))
        } catch {
            return .failure(SystemError(error.rawValue))
        }
    }

    /// 100,000 Services with their slices have less. A file is read into memory as a whole.
    private static let mostBytes = 256 << 20

    /// The names in a directory, sorted.
    static func names(in directory: String) -> Result<[String], SystemError> {
        do throws(Errno) {
            return .success(try SystemFile.names(in: FilePath(directory)))
        } catch {
            return .failure(SystemError(error.rawValue))
        }
    }

    /// Whether there is a directory that may be listed, and its entries opened.
    static func isSearchable(_ path: String) -> Bool {
        PathKind(path).isDirectory && faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) == 0
    }

    static func isSymlink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// The directory that really holds the file behind a symlink.
    static func realDirectory(of path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        let text = String(cString: resolved)
        return text.lastIndex(of: "/").map { String(text[..<$0]) }.map { $0.isEmpty ? "/" : $0 }
    }

    /// What is no manifest by its name, and would be in lower case.
    static func isMisnamed(_ name: String) -> Bool { !isManifest(name) && isManifest(name.lowercased()) }

    /// What to say of a file that is passed over and looks like a manifest; nil for all others.
    static func doubt(aboutName path: String) -> StateProblem? {
        guard isMisnamed(lastName(path)) else { return nil }
        return StateProblem(
            .doubtful, origin: path, cause: "it is not read for its name", advice: "let it end in .yaml, .yml or .json")
    }

    /// What to say of a socket, device or pipe; nil unless its name is a manifest's.
    static func doubt(aboutType type: mode_t, of path: String) -> StateProblem? {
        guard isManifest(lastName(path)) else { return nil }
        let word =
            switch type {
            case S_IFIFO: "a named pipe"
            case S_IFSOCK: "a socket"
            default: "a device"
            }
        return StateProblem(
            .doubtful, origin: path, cause: "it is \(word), which is not read", advice: "write a regular file")
    }

    /// What to say of a path that leads to no file; nil if nothing is there at all.
    static func doubt(aboutLink path: String) -> StateProblem? {
        guard isManifest(lastName(path)), isSymlink(path), case .missing(ENOENT) = PathKind(path) else { return nil }
        return StateProblem(
            .doubtful, origin: path, cause: "it is a symbolic link to something that is not there",
            advice: "write what it leads to, or remove it")
    }

    static func isManifest(_ name: String) -> Bool {
        !name.hasPrefix(".") && [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) }
    }
}

/// An error number of the system.
struct SystemError: Error, Hashable {
    var number: Int32

    init(_ number: Int32) { self.number = number }

    var isAbsence: Bool { number == ENOENT || number == ENOTDIR }

    func problem(with path: String) -> StateProblem {
        let advice =
            switch number {
            case ENOENT: "create it"
            case ENOTDIR: "name the directory that holds the manifests"
            case ENOSPC: "raise fs.inotify.max_user_watches"
            case EACCES, EPERM: "let swiftlet read it"
            case EFBIG: "split it: a manifest may have 256 MiB"
            case EINVAL: "write a regular file"
            default: "check the file system"
            }
        return StateProblem(.unreadable, origin: path, cause: Errno(rawValue: number).plainText, advice: advice).hiding(
            .anything)
    }
}
