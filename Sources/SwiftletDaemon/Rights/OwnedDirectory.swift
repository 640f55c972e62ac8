import Glibc
import ServiceModel
import SystemPackage
import SystemCalls

/// A directory that root hands over to the user that the daemon runs as.
///
/// What lies in a directory that is that user's already is left as it is: the user could have put a link there, to have
/// a file of another user given away.
struct OwnedDirectory {
    let path: FilePath
    let owner: Owner

    /// Makes the directory if it is not there, and gives it with all that it holds to its owner.
    ///
    /// - Returns: whether something had to be changed.
    func provide(mode: UInt32) throws(DaemonError) -> Bool {
        let isNew = path.withPlatformString { mkdir($0, mode) } == 0
        guard isNew || errno == EEXIST else { throw failure("create", path) }
        let descriptor = path.withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("look at", path) }
        guard status.st_uid != owner.user else { return isNew }
        // From within: while the directory is still root's, no other user can put anything there.
        try handOver(contentsOf: descriptor, path)
        guard fchown(descriptor, owner.user, owner.group) == 0 else { throw failure("give away", path) }
        return true
    }

    private func handOver(contentsOf directory: Int32, _ path: FilePath) throws(DaemonError) {
        for name in try names(in: directory, path) {
            let entry = path.appending(name)
            let inner = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            if inner >= 0 {
                defer { close(inner) }
                try handOver(contentsOf: inner, entry)
            }
            guard fchownat(directory, name, owner.user, owner.group, AT_SYMLINK_NOFOLLOW) == 0 else {
                throw failure("give away", entry)
            }
        }
    }

    private func names(in directory: Int32, _ path: FilePath) throws(DaemonError) -> [String] {
        let copy = dup(directory)
        guard copy >= 0 else { throw failure("read", path) }
        guard let entries = try? SystemFile.entries(closing: FileDescriptor(rawValue: copy)) else {
            throw failure("read", path)
        }
        return entries.map(\.name)
    }

    private func failure(_ verb: String, _ path: FilePath) -> DaemonError {
        let advice = errno == EPERM || errno == EACCES ? "; run as root" : ""
        return DaemonError(
            FailureCode(errno: errno, otherwise: .directoryUnusable),
            "cannot \(verb) \(path): \(Errno.last.plainText)\(advice)")
    }
}
