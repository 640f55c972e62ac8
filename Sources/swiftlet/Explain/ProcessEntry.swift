import Glibc
import ServiceModel
import SystemCalls
import SystemPackage

/// What /proc says of a process.
enum ProcessEntry {
    static func command(of pid: Int32) -> String? {
        read("/proc/\(pid)/comm").map { String($0.prefix { $0 != "\n" }) }
    }

    /// Throws where there is none: a pid that is mistyped is asked after in vain.
    @discardableResult
    static func mustRun(_ pid: Int32) throws(CommandError) -> String {
        guard let command = command(of: pid) else {
            throw CommandError(.notFound, "there is no process \(pid); write the pid as this namespace has it")
        }
        return command
    }

    /// The number of its network namespace.
    static func network(of pid: Int32) -> UInt64? {
        var status = stat()
        return stat("/proc/\(pid)/ns/net", &status) == 0 ? UInt64(status.st_ino) : nil
    }

    private static func read(_ path: String) -> String? {
        try? SystemFile.text(of: FilePath(path), atMost: 4096)
    }
}
