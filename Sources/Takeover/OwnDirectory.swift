import Glibc
import SystemPackage
import SystemCalls

/// A directory that only this user can write, in a directory of which the same is true. Files in it are opened by their
/// names alone, without following links.
struct OwnDirectory: ~Copyable {
    private let path: FilePath
    private let descriptor: Int32

    /// Opens one that is there.
    init(_ path: FilePath) throws(TakeoverError) {
        let descriptor = try Self.opened(path)
        self.path = path
        self.descriptor = descriptor
    }

    /// Makes it if it is not there.
    init(making path: FilePath) throws(TakeoverError) {
        for directory in [path.removingLastComponent(), path] {
            let status = directory.withPlatformString { mkdir($0, 0o700) }
            guard status == 0 || errno == EEXIST else { throw Self.failure("create", directory) }
        }
        let descriptor = try Self.opened(path)
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    private static func opened(_ path: FilePath) throws(TakeoverError) -> Int32 {
        for directory in [path.removingLastComponent(), path] { try check(directory) }
        let descriptor = path.withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        guard descriptor >= 0 else { throw failure("open", path) }
        return descriptor
    }

    private static func check(_ directory: FilePath) throws(TakeoverError) {
        var status = stat()
        guard directory.withPlatformString({ lstat($0, &status) }) == 0 else { throw failure("use", directory) }
        guard status.st_mode & S_IFMT == S_IFDIR, isOwn(status) else {
            throw TakeoverError(
                "use", "\(directory)", cause: "it is no directory that only this user can write",
                advice: "look at what is there, and remove it")
        }
    }

    private static func isOwn(_ status: stat) -> Bool { status.st_uid == geteuid() && status.st_mode & 0o022 == 0 }

    /// Under another name first, so that there is never half of it under its own; and on the disk when it returns.
    func write(_ text: String, to name: String) throws(TakeoverError) {
        let draft = ".\(name).draft"
        do throws(Errno) {
            guard unlinkat(descriptor, draft, 0) == 0 || errno == ENOENT else { throw Errno.last }
            let number = openat(descriptor, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard number >= 0 else { throw Errno.last }
            defer { close(number) }
            try FileDescriptor(rawValue: number).write(all: Array(text.utf8))
            guard fsync(number) == 0, renameat(descriptor, draft, descriptor, name) == 0, fsync(descriptor) == 0 else {
                throw Errno.last
            }
        } catch {
            throw TakeoverError(
                "write", "\(path.appending(name))", cause: "\(error)", advice: "nothing was removed")
        }
    }

    func text(of name: String) throws(TakeoverError) -> String {
        let number = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard number >= 0 else { throw Self.failure("read", path.appending(name)) }
        defer { close(number) }
        var status = stat()
        guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG, Self.isOwn(status) else {
            throw TakeoverError(
                "use", "\(path.appending(name))", cause: "it is no file that only this user can write",
                advice: "start kube-proxy, which writes its rules anew")
        }
        do throws(Errno) {
            return String(decoding: try FileDescriptor(rawValue: number).rest(), as: UTF8.self)
        } catch {
            throw TakeoverError("read", "\(path.appending(name))", cause: error.plainText)
        }
    }

    /// Removes a file; one that is not there is as it should be.
    func remove(_ name: String) throws(TakeoverError) {
        guard unlinkat(descriptor, name, 0) == 0 || errno == ENOENT else {
            throw Self.failure("remove", path.appending(name))
        }
    }

    private static func failure(_ action: String, _ path: FilePath) -> TakeoverError {
        TakeoverError(action, "\(path)", cause: "\(Errno.last.plainText)")
    }
}
