import CLibbpf
package import SystemPackage

/// A map, program or link that is pinned, held open: it lives on when its pin goes, and can be pinned again.
///
/// A class, so that many can be kept in one collection.
package final class PinnedObject: Sendable {
    private let descriptor: Descriptor

    /// Opens what is pinned at a path, whatever it is.
    package init(at path: FilePath) throws(BPFError) {
        descriptor = Descriptor(adopting: try checked(bpf_obj_get(path.string), .open, "pin at \(path)"))
    }

    /// Of a link to a device: whether that is there, and the program attached.
    package var leadsToDevice: Bool {
        guard let info = try? descriptor.linkInfo(swl_tcx_link_info()) else { return false }
        return info.type == UInt32(SWL_LINK_TYPE_TCX) && info.ifindex != 0
    }

    package func pin(at path: FilePath) throws(BPFError) { try descriptor.pin(at: path, subject: "object") }
}
