internal import CLibbpf
import Glibc
package import SystemPackage

/// Descriptors of other processes.
package enum ForeignDescriptor {
    /// A copy of another process's descriptor, which the caller owns: both mean the same file or socket.
    ///
    /// Needs the right to trace the process (CAP_SYS_PTRACE for others' processes) and kernel 5.6.
    package static func copy(_ number: CInt, ofProcess process: Int32) throws(BPFError) -> FileDescriptor {
        let subject = "descriptor \(number) of process \(process)"
        let handle = try checked(swl_pidfd_open(process), .open, subject)
        defer { close(handle) }
        return FileDescriptor(rawValue: try checked(swl_pidfd_getfd(handle, number), .open, subject))
    }
}
