import SystemPackage

/// A program on the way of a device's packets.
package struct DeviceProgram: Hashable, Sendable {
    /// By what it is attached.
    package enum Place: Hashable, Sendable {
        /// The link is nil for a program that was attached without one.
        case tcx(linkID: UInt32?)
        case filter(priority: UInt16, handle: UInt32)
    }

    /// The kernel's number for the program; nil for a filter that is no BPF program.
    package let id: UInt32?
    /// The kernel's name, or the filter's kind where there is no program; nil if the program may not be looked at.
    package let name: String?
    package let place: Place
}

/// What is attached to the devices of the calling thread's network namespace, ours and others'.
package enum DeviceQuery {
    /// The programs and filters of a device's direction, in the order in which they run: tcx, then tc filters.
    package static func programs(
        on device: NetworkDevice, _ direction: TrafficDirection
    ) throws(BPFError) -> [DeviceProgram] {
        try tcxPrograms(on: device, direction) + Clsact.filters(on: device, direction)
    }

    private static func tcxPrograms(
        on device: NetworkDevice, _ direction: TrafficDirection
    ) throws(BPFError) -> [DeviceProgram] {
        do throws(BPFError) {
            let subject = "tcx programs at \(direction) of \(device.name)"
            return try TCXQuery.chain(on: device.index, direction, subject: subject).programs
        } catch  where error.cause == .invalidArgument {
            // A kernel without tcx.
            return []
        }
    }
}

extension [DeviceProgram] {
    /// What runs before one of them and may keep packets from it, and what runs behind it.
    package func around(_ programID: UInt32) -> (before: [DeviceProgram], behind: [DeviceProgram])? {
        guard let own = firstIndex(where: { $0.id == programID }) else { return nil }
        return (Array(self[..<own]), Array(self[(own + 1)...]))
    }
}

extension BPFProgram {
    /// The kernel's name of a program; nil if it went away, or may not be looked at.
    package static func name(of id: UInt32) -> String? {
        guard let program = try? BPFProgram(id: id) else { return nil }
        return program.name
    }
}
