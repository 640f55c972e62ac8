import CLibbpf
import Glibc
package import SystemPackage
import SystemCalls

/// A program in the chain of a device's direction, for kernels that have tcx.
///
/// Dropping it detaches the program, unless it is pinned: a pinned link works on after this process. When the device
/// goes, a pinned link stays as a link to nothing.
package struct TCXLink: ~Copyable, Sendable {
    /// Where in the chain a program is put.
    package enum Position: Sendable {
        /// Before all others that are there now.
        case first
        /// Behind them: it runs only for packets which all of them pass on (TC_ACT_UNSPEC).
        case last
    }

    let descriptor: Descriptor

    private init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// Attaches a program to a device of the calling thread's network namespace.
    package static func attach(
        _ program: borrowing BPFProgram, to device: NetworkDevice, _ direction: TrafficDirection,
        _ position: Position = .last
    ) throws(BPFError) -> TCXLink {
        var options = bpf_link_create_opts()
        options.sz = MemoryLayout<bpf_link_create_opts>.size
        options.flags =
            switch position {
            case .first: UInt32(SWL_F_BEFORE)
            case .last: UInt32(SWL_F_AFTER)
            }
        let type = bpf_attach_type(rawValue: direction.tcxType)
        let descriptor = bpf_link_create(program.descriptor.rawValue, Int32(device.index), type, &options)
        let subject = "\(program.name) to \(direction) of \(device.name)"
        return TCXLink(Descriptor(adopting: try checked(descriptor, .attach, subject)))
    }

    /// Opens the link that is pinned at a path.
    package init(pinnedAt path: FilePath) throws(BPFError) {
        descriptor = try Descriptor(pinnedAt: path, expecting: .link)
    }

    /// Keeps the program attached after this process exits.
    package func pin(at path: FilePath) throws(BPFError) {
        try descriptor.pin(at: path, subject: "link")
    }

    /// Puts another program in the place of the attached one; no packet sees neither, and the order stays.
    ///
    /// Throws ENOLINK when the device is gone.
    package func update(to program: borrowing BPFProgram) throws(BPFError) {
        try descriptor.updateLink(to: program, without: "device")
    }

    /// Takes the program off the device, even while the link is pinned; the pin stays, as a link to nothing.
    package func detach() throws(BPFError) {
        try descriptor.detachLink()
    }

    /// What the kernel says about the link now.
    package var info: Info {
        get throws(BPFError) {
            let info = try descriptor.linkInfo(swl_tcx_link_info())
            guard info.type == UInt32(SWL_LINK_TYPE_TCX) else {
                throw BPFError(.read, "link \(info.id)", .invalidArgument, detail: "it is not a tcx link to a device")
            }
            return Info(
                id: info.id, programID: info.prog_id, deviceIndex: info.ifindex,
                direction: TrafficDirection.allCases.first { $0.tcxType == info.attach_type })
        }
    }

    /// A description of a link, as a value that can be kept.
    package struct Info: Hashable, Sendable {
        /// The kernel's number for this link, as bpftool shows it.
        package let id: UInt32
        package let programID: UInt32
        /// 0 once the device is gone or the link detached.
        package let deviceIndex: UInt32
        package let direction: TrafficDirection?

        /// False when the device was removed, or the link detached: the program never runs.
        package var isAttached: Bool { deviceIndex != 0 }
    }
}
