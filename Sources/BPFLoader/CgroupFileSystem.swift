import CLibbpf
import Glibc
package import SystemPackage
import SystemCalls

/// The hierarchy of version 2 cgroups.
package enum CgroupFileSystem {
    /// Where it is mounted: /sys/fs/cgroup, /sys/fs/cgroup/unified, or where else the machine has it.
    package static func root() throws(BPFError) -> FilePath {
        guard let root = root(inMountInfo: try readText("/proc/self/mountinfo")) else {
            throw BPFError(
                .find, "cgroup2 in /proc/self/mountinfo", .noSuchFileOrDirectory, detail: "it is not mounted",
                advice: "mount -t cgroup2 none /sys/fs/cgroup")
        }
        return root
    }

    /// Whether a process is in a cgroup of version 2 or below it; nil if that cannot be told.
    package static func contains(process: Int32, below cgroup: FilePath) -> Bool? {
        guard let root = try? root(), let text = try? readText(FilePath("/proc/\(process)/cgroup")) else { return nil }
        return contains(line: text, mountedAt: root, below: cgroup)
    }

    /// The cgroup of a process; nil where it has none of version 2, or may not be looked at.
    package static func cgroup(of process: Int32) -> FilePath? {
        guard let root = try? root(), let text = try? readText(FilePath("/proc/\(process)/cgroup")),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("0::/") })
        else { return nil }
        return FilePath(root.string + line.dropFirst(3)).lexicallyNormalized()
    }

    /// - Parameter text: what /proc says of the process; of version 2 it is the line `0::/path`.
    static func contains(line text: String, mountedAt root: FilePath, below cgroup: FilePath) -> Bool? {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("0::/") }) else { return nil }
        return FilePath(root.string + line.dropFirst(3)).lexicallyNormalized().starts(with: cgroup)
    }

    private static let magic = 0x6367_7270

    /// The kernel's number for a cgroup, as links and programs give it: the inode number of its directory.
    package static func id(of cgroup: FilePath) throws(BPFError) -> UInt64 {
        var fileSystem = statfs()
        var status = stat()
        guard cgroup.withPlatformString({ statfs($0, &fileSystem) }) == 0,
            cgroup.withPlatformString({ stat($0, &status) }) == 0
        else { throw BPFError(.find, "cgroup \(cgroup)", .last) }
        guard Int(fileSystem.f_type) == magic else {
            throw BPFError(.find, "cgroup \(cgroup)", .invalidArgument, detail: "not a cgroup v2 directory")
        }
        return UInt64(status.st_ino)
    }

    /// The cgroups right below one, each with its number; none below one that is gone.
    package static func children(of cgroup: FilePath) -> [(name: String, id: UInt64)] {
        let entries = (try? SystemFile.entries(of: cgroup)) ?? []
        return entries.filter(\.isDirectory).map { ($0.name, $0.inode) }
    }

    /// The mount point of the first cgroup2 that shows its whole hierarchy, or of any.
    ///
    /// A line reads "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw".
    static func root(inMountInfo text: String) -> FilePath? {
        var partial: FilePath?
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6, let separator = fields.dropFirst(6).firstIndex(of: "-"),
                separator + 1 < fields.endIndex, fields[separator + 1] == "cgroup2"
            else { continue }
            let path = FilePath(unescaped(fields[4]))
            if fields[3] == "/" { return path }
            partial = partial ?? path
        }
        return partial
    }

    /// The kernel writes a space in a path as "\040".
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
