import CLibbpf
import Glibc
package import SystemPackage

/// A program attached to a hook of a cgroup and all its descendants.
///
/// Dropping it detaches the program, unless it is pinned: a pinned link works on after this process.
package struct CgroupLink: ~Copyable, Sendable {
    let descriptor: Descriptor

    private init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    /// Attaches a program, beside those that others have attached to the same hook.
    package static func attach(
        _ program: borrowing BPFProgram, to cgroup: FilePath, as type: CgroupAttachType
    ) throws(BPFError) -> CgroupLink {
        let directory = try Descriptor(directory: cgroup)
        let descriptor = bpf_link_create(program.descriptor.rawValue, directory.rawValue, type.kernelType, nil)
        let subject = "\(program.name) to cgroup \(cgroup)"
        // The kernel has no better words for a directory of another file system.
        let isForeign = descriptor == -EBADF
        guard !isForeign else {
            throw BPFError(.attach, subject, .badFileDescriptor, detail: "not a cgroup v2 directory")
        }
        if descriptor == -EPERM, let holder = CgroupQuery.soleProgram(on: cgroup, at: type) {
            let name = holder.name ?? "program \(holder.id)"
            throw BPFError(
                .attach, subject, .notPermitted, detail: "\(name) was attached so that no other can be",
                advice: "detach it, or attach it with the flag multi")
        }
        return CgroupLink(Descriptor(adopting: try checked(descriptor, .attach, subject)))
    }

    /// Opens the link that is pinned at a path.
    package init(pinnedAt path: FilePath) throws(BPFError) {
        descriptor = try Descriptor(pinnedAt: path, expecting: .link)
    }

    /// Keeps the program attached after this process exits.
    package func pin(at path: FilePath) throws(BPFError) {
        try descriptor.pin(at: path, subject: "link")
    }

    /// Puts another program in the place of the attached one; no connect sees neither.
    ///
    /// Throws ENOLINK when the cgroup is gone.
    package func update(to program: borrowing BPFProgram) throws(BPFError) {
        try descriptor.updateLink(to: program, without: "cgroup")
    }

    /// Takes the program off the hook, even while the link is pinned; the pin stays, as a link to nothing.
    package func detach() throws(BPFError) {
        try descriptor.detachLink()
    }

    /// What the kernel says about the link now.
    package var info: Info {
        get throws(BPFError) {
            let info = try descriptor.linkInfo(bpf_link_info())
            guard info.type == BPF_LINK_TYPE_CGROUP.rawValue else {
                throw BPFError(.read, "link \(info.id)", .invalidArgument, detail: "it is not a link to a cgroup")
            }
            return Info(
                id: info.id, programID: info.prog_id, cgroupID: info.cgroup.cgroup_id,
                attachType: CgroupAttachType(bpf_attach_type(rawValue: info.cgroup.attach_type)))
        }
    }

    /// A description of a link, as a value that can be kept.
    package struct Info: Hashable, Sendable {
        /// The kernel's number for this link, as bpftool shows it.
        package let id: UInt32
        package let programID: UInt32
        /// The cgroup, by the number that `CgroupFileSystem.id(of:)` gives; 0 once it is gone or the link detached.
        package let cgroupID: UInt64
        /// The hook; nil for one that this list does not name.
        package let attachType: CgroupAttachType?

        /// False when the cgroup was removed, or the link detached: the program never runs.
        package var isAttached: Bool { cgroupID != 0 }
    }
}
