import CLibbpf
import Glibc
package import SystemPackage
import SystemCalls

/// The file system in which pins live.
package enum BPFFileSystem {
    private static let magic: UInt32 = 0xcafe_4a11

    /// Whether a path, which must exist, is on a mounted bpffs.
    package static func contains(_ path: FilePath) throws(BPFError) -> Bool {
        var status = statfs()
        let result = path.withPlatformString { statfs($0, &status) }
        guard result == 0 else { throw BPFError(.find, "bpffs at \(path)", .last) }
        return UInt32(truncatingIfNeeded: status.f_type) == magic
    }

    /// Makes sure that bpffs is mounted at a path: true if this call mounted it.
    @discardableResult
    package static func mount(at path: FilePath) throws(BPFError) -> Bool {
        if try contains(path) { return false }
        let flags = UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC)
        let status = path.withPlatformString { Glibc.mount("bpf", $0, "bpf", flags, "mode=0700") }
        guard status == 0 else {
            let cause = Errno.last
            let advice = cause == .notPermitted ? "mount -t bpf bpf \(path), or grant CAP_SYS_ADMIN" : nil
            throw BPFError(.mount, "bpffs at \(path)", cause, advice: advice)
        }
        return true
    }

    /// Makes sure that a directory, which need not exist yet, is on bpffs: true if this call mounted it, at the usual
    /// place if the directory is below that, else at the directory above.
    @discardableResult
    package static func provide(for directory: FilePath) throws(BPFError) -> Bool {
        // Inside a sandbox it may be all that is visible of bpffs.
        if directory.exists, try contains(directory) { return false }
        let usual: FilePath = "/sys/fs/bpf"
        return try mount(at: directory.starts(with: usual) ? usual : directory.removingLastComponent())
    }

    /// Makes a directory and those above it, for root alone; what is there already stays as it is.
    package static func makeDirectories(_ path: FilePath) throws(BPFError) {
        var partial = FilePath(root: path.root, [])
        for component in path.components {
            partial.append(component)
            let status = partial.withPlatformString { mkdir($0, 0o700) }
            guard status == 0 || Errno.last == .fileExists else { throw BPFError(.create, "\(partial)", .last) }
        }
    }
}
