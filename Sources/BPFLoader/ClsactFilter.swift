import CLibbpf
import Glibc
import SystemPackage

/// Our tc filter at a device's direction: a program that packets pass, for kernels without tcx.
///
/// The filter is the device's: it stays when this value or this process goes, and goes with the device. It is known
/// by its priority, its handle and the first letters of its program's name; one that has only the first two is
/// another program's, and is neither replaced nor removed.
package struct ClsactFilter: Hashable, Sendable {
    /// Behind filters that insist on being early, with 1 and the like, and before those that the kernel gave a
    /// priority, which it counts down from 49152.
    package static let priority: UInt16 = 50
    /// "SWL".
    package static let handle: UInt32 = 0x53_574c

    package let device: NetworkDevice
    package let direction: TrafficDirection
    /// What the names of all our programs begin with.
    package let prefix: String

    package init(of device: NetworkDevice, _ direction: TrafficDirection, prefix: String) {
        self.device = device
        self.direction = direction
        self.prefix = prefix
    }

    /// The program that is attached now, nil if there is none of ours.
    package var attached: DeviceProgram? {
        get throws(BPFError) {
            guard let inPlace = try occupant, isOurs(inPlace) else { return nil }
            return inPlace
        }
    }

    /// Attaches a program, or puts it in the place of ours that is there; then no packet sees neither.
    ///
    /// The device must have its clsact discipline.
    package func attach(_ program: borrowing BPFProgram) throws(BPFError) {
        let subject = "\(program.name) to \(direction) of \(device.name)"
        let inPlace = try occupant
        if let inPlace, !isOurs(inPlace) {
            throw BPFError(
                .attach, subject, .fileExists,
                detail: "another program, \(inPlace.name ?? "without a name"), has priority \(Self.priority) and our "
                    + "handle",
                advice: "remove that filter, or leave this device out")
        }
        var options = self.options
        options.prog_fd = program.descriptor.rawValue
        options.flags = inPlace == nil ? 0 : UInt32(BPF_TC_F_REPLACE.rawValue)
        var hook = Clsact.hook(device, direction.attachPoint)
        let (status, _) = LibbpfLog.collecting { bpf_tc_attach(&hook, &options) }
        try checked(status, .attach, subject)
    }

    /// Removes our filter: true if there was one.
    @discardableResult
    package func detach() throws(BPFError) -> Bool {
        guard try attached != nil else { return false }
        var options = self.options
        var hook = Clsact.hook(device, direction.attachPoint)
        let (status, _) = LibbpfLog.collecting { bpf_tc_detach(&hook, &options) }
        if status == -ENOENT { return false }
        try checked(status, .detach, "the filter at \(direction) of \(device.name)")
        return true
    }

    /// Whatever has our priority and handle.
    private var occupant: DeviceProgram? {
        get throws(BPFError) {
            let place = DeviceProgram.Place.filter(priority: Self.priority, handle: Self.handle)
            return try Clsact.filters(on: device, direction).first { $0.place == place }
        }
    }

    private func isOurs(_ program: DeviceProgram) -> Bool {
        program.id != nil && program.name?.hasPrefix(prefix) == true
    }

    private var options: bpf_tc_opts {
        var options = bpf_tc_opts()
        options.sz = Int(SWL_TC_OPTIONS_SIZE)
        options.handle = Self.handle
        options.priority = UInt32(Self.priority)
        return options
    }
}
