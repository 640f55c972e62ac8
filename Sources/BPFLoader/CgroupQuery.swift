import CLibbpf
import Glibc
package import SystemPackage

/// What is attached to the hooks of a cgroup, ours and others'.
package enum CgroupQuery {
    /// A program on a hook.
    package struct AttachedProgram: Hashable, Sendable {
        package let id: UInt32
        /// The kernel's name; nil if the program went away, or may not be looked at.
        package let name: String?
    }

    /// The program on a hook that lets no other be attached beside it; nil if there is none, or if we may not look.
    static func soleProgram(on cgroup: FilePath, at type: CgroupAttachType) -> AttachedProgram? {
        guard let directory = try? Descriptor(directory: cgroup) else { return nil }
        var (flags, id, count) = (UInt32(0), UInt32(0), UInt32(1))
        let status = bpf_prog_query(directory.rawValue, type.kernelType, 0, &flags, &id, &count)
        guard status == 0, count == 1, flags & UInt32(BPF_F_ALLOW_MULTI) == 0 else { return nil }
        return AttachedProgram(id: id, name: BPFProgram.name(of: id))
    }

    /// The programs attached to a hook of a cgroup, in the order in which they run; with `effective`, also those
    /// that the cgroup inherits from its ancestors.
    package static func programs(
        on cgroup: FilePath, at type: CgroupAttachType, effective: Bool = false
    ) throws(BPFError) -> [AttachedProgram] {
        let directory = try Descriptor(directory: cgroup)
        let flags = effective ? UInt32(BPF_F_QUERY_EFFECTIVE) : 0
        var capacity: UInt32 = 64
        while true {
            var ids = [UInt32](repeating: 0, count: Int(capacity))
            var count = capacity
            let status = bpf_prog_query(directory.rawValue, type.kernelType, flags, nil, &ids, &count)
            if status == -ENOSPC {
                capacity = max(count, capacity * 2)
                continue
            }
            try checked(status, .query, "\(type) of cgroup \(cgroup)")
            return ids.prefix(Int(count)).map { AttachedProgram(id: $0, name: BPFProgram.name(of: $0)) }
        }
    }
}
