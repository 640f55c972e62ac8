import CLibbpf
import Glibc
package import SystemPackage
import SystemCalls

/// An open file descriptor; dropping it closes it.
struct Descriptor: ~Copyable, Sendable {
    let rawValue: Int32

    /// Takes ownership of a descriptor.
    init(adopting rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// Opens a descriptor of its own for what `rawValue` refers to.
    init(duplicating rawValue: Int32, of subject: @autoclosure () -> String) throws(BPFError) {
        let copy = fcntl(rawValue, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw BPFError(.duplicate, subject(), .last) }
        self.rawValue = copy
    }

    /// Opens a directory, as a handle on the cgroup that it stands for.
    init(directory path: FilePath) throws(BPFError) {
        let descriptor = path.withPlatformString { Glibc.open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw BPFError(.open, "\(path)", .last) }
        self.rawValue = descriptor
    }

    deinit { _ = close(rawValue) }
}

/// The kinds of object that bpffs holds, by the name that the kernel gives to their descriptors.
enum PinnedKind: String {
    case map = "bpf-map"
    case program = "bpf-prog"
    case link = "bpf-link"
}

extension Descriptor {
    /// Opens a pin and makes sure that it holds the expected kind of object.
    init(pinnedAt path: FilePath, expecting kind: PinnedKind) throws(BPFError) {
        let subject = "\(kind) at \(path)"
        let descriptor = Descriptor(adopting: try checked(bpf_obj_get(path.string), .open, subject))
        // Kernels write "anon_inode:bpf-map" or "anon_inode:[bpf-map]", and "bpf_link" or "bpf-link".
        let target = String(
            (SystemFile.linkTarget(FilePath("/proc/self/fd/\(descriptor.rawValue)")) ?? "").map { $0 == "_" ? "-" : $0 }
        )
        guard target.contains(kind.rawValue) else {
            let found = target.split(whereSeparator: { ":[]".contains($0) }).last ?? "something else"
            throw BPFError(.open, subject, .invalidArgument, detail: "it is a \(found)")
        }
        self = descriptor
    }

    /// Pins the object in bpffs, where it outlives this process.
    func pin(at path: FilePath, subject: @autoclosure () -> String) throws(BPFError) {
        let status = bpf_obj_pin(rawValue, path.string)
        guard status < 0 else { return }
        let cause = Errno(rawValue: -status)
        let advice: String? =
            switch cause {
            case .fileExists: "unpin what is there first"
            case .invalidArgument, .notPermitted: "the path must be on a mounted bpffs, and its names without dots"
            default: nil
            }
        throw BPFError(.pin, "\(subject()) at \(path)", cause, advice: advice)
    }
}

/// Removes a pin; the object lives on while something else holds it. True if there was one.
@discardableResult
package func unpin(_ path: FilePath) throws(BPFError) -> Bool {
    if path.withPlatformString({ unlink($0) }) == 0 { return true }
    guard Errno.last == .noSuchFileOrDirectory else { throw BPFError(.unpin, "\(path)", .last) }
    return false
}
