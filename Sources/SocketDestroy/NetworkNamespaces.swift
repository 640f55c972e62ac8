internal import BPFLoader
import Glibc
package import SystemPackage

/// A network namespace, by a path that leads to it for now.
package struct NamespacePath: Sendable, Hashable {
    package var path: FilePath
    /// The kernel's number for it, as `lsns` shows it.
    package var inode: UInt64
}

/// The network namespaces of a node, as far as a process or a file holds them.
package struct NetworkNamespaces: Sendable {
    /// Each once; this process's own is the first.
    package var places: [NamespacePath]
    /// Processes whose namespace could not be looked up: another user's, without CAP_SYS_PTRACE.
    package var hidden = 0
    /// Opens what looks at the sockets of others than the own, where this process may not enter them.
    package var lender: LentNamespaces?

    static let ownPath: FilePath = "/proc/self/ns/net"
    /// Where tools keep the namespaces that they have named.
    private static let directories: [FilePath] = ["/run/netns", "/run/docker/netns"]

    /// This process's own, and no other.
    package static func own() -> NetworkNamespaces {
        NetworkNamespaces(places: [NamespacePath(path: ownPath, inode: identity(of: ownPath)?.inode ?? 0)])
    }

    /// This process's own, and what another lends.
    package static func lent(by lender: LentNamespaces) -> NetworkNamespaces {
        var found = own()
        let known = Set(found.places.map(\.inode))
        found.places += lender.inodes.filter { !known.contains($0) }.map {
            NamespacePath(path: FilePath("net:[\($0)]"), inode: $0)
        }
        found.hidden = lender.hidden
        found.lender = lender
        return found
    }

    /// The processes that are in a network namespace, as far as that can be looked up.
    static func processes(in inode: UInt64) -> [Int32] {
        names(in: "/proc").compactMap { Int32($0) }.filter {
            identity(of: FilePath("/proc/\($0)/ns/net"))?.inode == inode
        }
    }

    /// Looks them all up: what processes are in, and what is kept by name.
    package static func find() -> NetworkNamespaces {
        let own = identity(of: ownPath)
        var found = NetworkNamespaces.own()
        var known = Set(found.places.map(\.inode))
        for directory in directories {
            for name in names(in: directory) {
                let path = directory.appending(name)
                // The file that a namespace was mounted on may be left over: it is on another device.
                guard let identity = identity(of: path), identity.device == own?.device,
                    known.insert(identity.inode).inserted
                else { continue }
                found.places.append(NamespacePath(path: path, inode: identity.inode))
            }
        }
        for name in names(in: "/proc") where name.first?.isNumber == true {
            let path = FilePath("/proc/\(name)/ns/net")
            guard let inode = identity(of: path)?.inode else {
                if errno == EACCES || errno == EPERM { found.hidden += 1 }
                continue
            }
            if known.insert(inode).inserted { found.places.append(NamespacePath(path: path, inode: inode)) }
        }
        return found
    }

    private struct Identity {
        var inode: UInt64
        var device: UInt64
    }

    private static func identity(of path: FilePath) -> Identity? {
        var status = stat()
        guard path.withPlatformString({ stat($0, &status) }) == 0 else { return nil }
        return Identity(inode: UInt64(status.st_ino), device: UInt64(status.st_dev))
    }

    private static func names(in path: FilePath) -> [String] {
        guard let directory = path.withPlatformString({ opendir($0) }) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}
