import Glibc
import ServiceModel
package import SystemPackage
import SystemCalls

/// Where a running daemon keeps its lock and its control socket: one directory for each bpf root.
package struct RunDirectory: Sendable {
    package let path: FilePath

    package init(bpfRoot: FilePath) {
        let name = bpfRoot.string.split(separator: "/").joined(separator: "-")
        path = FilePath("/run/swiftlet").appending(name)
    }

    package var lock: FilePath { path.appending("lock") }
    package var socket: FilePath { path.appending("control.sock") }
    /// Names of Services as they were answered last.
    package var names: FilePath { path.appending("names") }
    /// Where `swiftlet namespaces` is asked.
    package var namespaces: FilePath { path.appending("namespaces.sock") }

    package func create() throws(InstallError) {
        try createParent()
        try Self.create(path)
    }

    /// The directory that all datapaths share.
    package func createParent() throws(InstallError) { try Self.create(path.removingLastComponent()) }

    private static func create(_ directory: FilePath) throws(InstallError) {
        let status = directory.withPlatformString { mkdir($0, 0o755) }
        guard status == 0 || errno == EEXIST else {
            throw InstallError(
                FailureCode(errno: errno, otherwise: .directoryUnusable),
                "cannot create \(directory): \(Errno.last.plainText); \(advice)")
        }
    }

    package static let advice = "run as root, or let root run `swiftlet prepare --user USER` first"

    package func remove() {
        for file in [socket, namespaces, names, lock] { _ = file.withPlatformString { Glibc.unlink($0) } }
        _ = path.withPlatformString { rmdir($0) }
    }

    /// The process that holds the lock; nil when no daemon runs on this bpf root.
    package var holder: Int32? {
        let descriptor = lock.withPlatformString { open($0, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) }
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var request = flock()
        request.l_type = Int16(F_WRLCK)
        guard fcntl(descriptor, F_GETLK, &request) == 0, request.l_type != Int16(F_UNLCK) else { return nil }
        return request.l_pid
    }
}

/// Held while a daemon runs, so that a second one on the same maps refuses. The kernel drops it with the process.
package struct InstanceLock: ~Copyable, Sendable {
    private let descriptor: Int32

    package init(_ directory: RunDirectory) throws(InstallError) {
        try directory.create()
        let file = directory.lock.withPlatformString { open($0, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600) }
        guard file >= 0 else {
            throw InstallError(
                FailureCode(errno: errno, otherwise: .directoryUnusable),
                "cannot open \(directory.lock): \(Errno.last.plainText); \(RunDirectory.advice)")
        }
        // Any process that can open it could hold the lock against us.
        _ = fchmod(file, 0o600)
        var request = flock()
        request.l_type = Int16(F_WRLCK)
        guard fcntl(file, F_SETLK, &request) == 0 else {
            close(file)
            throw Self.isHeld(directory, by: directory.holder)
        }
        descriptor = file
    }

    deinit { close(descriptor) }

    package static func isHeld(_ directory: RunDirectory, by holder: Int32?) -> InstallError {
        InstallError(
            .alreadyRuns,
            "cannot start: \(holder.map { "process \($0)" } ?? "another process") already runs swiftlet on these maps "
                + "(\(directory.lock)); stop it first, or use another --bpf-root")
    }
}
