import CLibbpf
import Glibc
import SystemPackage

/// What links of every kind have in common.
extension Descriptor {
    /// Puts another program in the place of the link's; nothing that happens in between sees neither.
    ///
    /// - Parameter anchor: what the link was attached to, for the message when it is gone (ENOLINK).
    func updateLink(to program: borrowing BPFProgram, without anchor: String) throws(BPFError) {
        let status = bpf_link_update(rawValue, program.descriptor.rawValue, nil)
        guard status == -ENOLINK else {
            try checked(status, .update, "link to \(program.name)")
            return
        }
        throw BPFError(
            .update, "link to \(program.name)", Errno(rawValue: ENOLINK), detail: "its \(anchor) is gone",
            advice: "unpin it and attach again")
    }

    /// Takes the link's program off its hook.
    func detachLink() throws(BPFError) {
        let status = bpf_link_detach(rawValue)
        // Detached already, by us or because what it was attached to went away.
        guard status != -ENOLINK else { return }
        try checked(status, .detach, "link")
    }

    /// What the kernel says about the link, in the form that belongs to its kind.
    func linkInfo<Info>(_ empty: Info) throws(BPFError) -> Info {
        var info = empty
        var length = UInt32(MemoryLayout<Info>.size)
        let status = withUnsafeMutablePointer(to: &info) { bpf_obj_get_info_by_fd(rawValue, $0, &length) }
        try checked(status, .read, "link")
        return info
    }
}
