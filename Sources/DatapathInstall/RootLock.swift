import Glibc
import ServiceModel
import Synchronization
package import SystemPackage
import SystemCalls

/// Held on the bpf root itself while a daemon writes the maps below it: another /run, or one that was emptied, does
/// not let a second one in. The kernel drops it with the process.
///
/// It is a socket in the kernel's own name space of names, called after the directory's inode: bpffs has no files that can be
/// locked, and a descriptor of the directory would keep it from being unmounted. Any process may take such a name, so a
/// holder that is neither root nor the directory's owner does not count.
package struct RootLock: ~Copyable, Sendable {
    private let descriptor: Int32

    /// What asks for the holder is never accepted, and so takes a place until the holder ends. The kernel grants
    /// net.core.somaxconn of them, which are 4,096.
    private static let backlog: Int32 = 65_536

    /// - Parameter bpfRoot: must be there.
    package init(_ directory: RunDirectory, bpfRoot: FilePath) throws(InstallError) {
        guard let name = Self.name(of: bpfRoot) else {
            throw InstallError(
                FailureCode(errno: errno, otherwise: .directoryUnusable),
                "cannot look at \(bpfRoot): \(Errno.last.plainText); \(RunDirectory.advice)")
        }
        let descriptor = Self.newSocket()
        let isOurs = Self.withAddress(name, { bind(descriptor, $0, $1) }) == 0 && listen(descriptor, Self.backlog) == 0
        if !isOurs, let holder = Self.holder(of: bpfRoot) {
            close(descriptor)
            throw InstanceLock.isHeld(directory, by: holder)
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// The process that has it; nil if none has that counts.
    package static func holder(of bpfRoot: FilePath) -> Int32? {
        var status = stat()
        guard bpfRoot.withPlatformString({ stat($0, &status) }) == 0, let name = name(of: bpfRoot) else { return nil }
        let client = newSocket()
        defer { close(client) }
        guard withAddress(name, { connect(client, $0, $1) }) == 0 else { return nil }
        var credentials = PeerCredentials()
        var size = socklen_t(MemoryLayout<PeerCredentials>.size)
        guard getsockopt(client, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0,
            [0, geteuid(), status.st_uid].contains(credentials.user)
        else { return nil }
        return credentials.process
    }

    /// The kernel's `struct ucred`, which Glibc declares only with GNU's extensions.
    private struct PeerCredentials {
        var process: Int32 = 0
        var user: UInt32 = 0
        var group: UInt32 = 0
    }

    private static func newSocket() -> Int32 {
        socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    }

    private static func name(of bpfRoot: FilePath) -> String? {
        var status = stat()
        guard bpfRoot.withPlatformString({ stat($0, &status) }) == 0 else { return nil }
        return "swiftlet/\(status.st_dev)/\(status.st_ino)"
    }

    private static func withAddress(
        _ name: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // The first byte stays 0.
        withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            for (index, byte) in name.utf8.prefix(buffer.count - 1).enumerated() { buffer[index + 1] = byte }
        }
        let length = MemoryLayout<sa_family_t>.size + 1 + name.utf8.count
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }
}

/// The locks of a daemon, for as long as this object lives. An object, because a value that is not copied may end where it
/// was used last, which an optimised build does: a lock that nothing asks would then be none.
package final class HeldLocks: Sendable {
    private let instance: InstanceLock
    private let root = Mutex<RootLock?>(nil)

    package init(instance: consuming InstanceLock) { self.instance = instance }

    /// Takes the bpf root's own lock, once.
    package func take(bpfRoot: FilePath, _ directory: RunDirectory) throws(InstallError) {
        try root.withLock { held throws(InstallError) in
            if held == nil { held = try RootLock(directory, bpfRoot: bpfRoot) }
        }
    }
}
