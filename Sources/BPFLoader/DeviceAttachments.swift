import Glibc
package import SystemPackage
import SystemCalls

/// Keeps our programs on network devices, by tcx where the kernel has it and by tc filters otherwise, and never
/// touches what others have attached. What it attaches outlives the process.
///
/// Below its directory, which is on bpffs, `2-ingress` is the tcx link of the device with index 2, and `2-clsact`, an
/// empty directory, notes that the device's clsact discipline is our work.
package struct DeviceAttachments: Sendable {
    /// How programs are attached.
    package enum Kind: String, Sendable {
        case tcx, clsact
    }

    /// What had to be done to have a program attached.
    package enum Change: Hashable, Sendable {
        case none, attached, replaced
    }

    package let directory: FilePath
    package let kind: Kind
    /// The prefix of our programs' names, and of no others.
    package let prefix: String

    package init(directory: FilePath, kind: Kind, prefix: String) {
        self.directory = directory
        self.kind = kind
        self.prefix = prefix
    }

    /// Chooses what the kernel has.
    package init(directory: FilePath, features: KernelFeatures, prefix: String) {
        self.init(directory: directory, kind: features.has(.tcx) ? .tcx : .clsact, prefix: prefix)
    }

    /// Sees to it that a program, and no other of ours, is attached to a device's direction.
    ///
    /// - Parameter position: where a program that was not attached is put among those of others, if tcx is used.
    @discardableResult
    package func attach(
        _ program: borrowing BPFProgram, to device: NetworkDevice, _ direction: TrafficDirection,
        _ position: TCXLink.Position = .last
    ) throws(BPFError) -> Change {
        let isOurs = program.name.hasPrefix(prefix)
        precondition(isOurs, "a program that would not be known again by its name")
        try BPFFileSystem.makeDirectories(directory)
        switch kind {
        case .tcx: return try attachLink(program, to: device, direction, position)
        case .clsact: return try attachFilter(program, to: device, direction)
        }
    }

    /// The program of ours at a device's direction; nil if there is none.
    package func attached(to device: NetworkDevice, _ direction: TrafficDirection) throws(BPFError) -> DeviceProgram? {
        if let link = try livingLink(on: device, direction) {
            let info = try link.info
            let name = BPFProgram.name(of: info.programID)
            return DeviceProgram(id: info.programID, name: name, place: .tcx(linkID: info.id))
        }
        return try ClsactFilter(of: device, direction, prefix: prefix).attached
    }

    /// Takes our programs off a device, however they were attached, and the clsact discipline if it is our work and
    /// nothing hangs on it any more.
    package func detach(from device: NetworkDevice) throws(BPFError) {
        for direction in TrafficDirection.allCases {
            try removeLink(pinnedAt: pin(device.index, direction.rawValue))
            try ClsactFilter(of: device, direction, prefix: prefix).detach()
        }
        try removeDiscipline(of: device)
    }

    /// Forgets devices that went away: tcx links to nothing, and notes.
    package func forgetVanished() throws(BPFError) {
        let present = Set(try NetworkDevice.all().map(\.index))
        for record in try records() {
            let isGone = !present.contains(record.device)
            // Another device may have the number of one that went away.
            let leadsToNothing = try record.leadsToNothing()
            if isGone || leadsToNothing { try remove(record) }
        }
    }

    /// Takes our programs off all devices of the calling thread's network namespace, and forgets what went away.
    package func detachAll() throws(BPFError) {
        for device in try NetworkDevice.all() { try detach(from: device) }
        for record in try records() { try remove(record) }
        guard directory.withPlatformString({ rmdir($0) }) != 0, Errno.last != .noSuchFileOrDirectory else { return }
        throw BPFError(.delete, "\(directory)", .last)
    }
}

// MARK: - tcx

extension DeviceAttachments {
    private func attachLink(
        _ program: borrowing BPFProgram, to device: NetworkDevice, _ direction: TrafficDirection,
        _ position: TCXLink.Position
    ) throws(BPFError) -> Change {
        if let link = try livingLink(on: device, direction) {
            if try link.info.programID == program.id { return .none }
            try link.update(to: program)
            return .replaced
        }
        let path = pin(device.index, direction.rawValue)
        // What is pinned there leads to nothing: the device that had this index is gone.
        try unpin(path)
        try TCXLink.attach(program, to: device, direction, position).pin(at: path)
        return .attached
    }

    /// The pinned link, if it still leads to this device.
    private func livingLink(
        on device: NetworkDevice, _ direction: TrafficDirection
    ) throws(BPFError) -> TCXLink? {
        let path = pin(device.index, direction.rawValue)
        guard path.exists else { return nil }
        let link = try TCXLink(pinnedAt: path)
        let info = try link.info
        return info.deviceIndex == device.index ? consume link : nil
    }

    private func removeLink(pinnedAt path: FilePath) throws(BPFError) {
        guard path.exists else { return }
        try TCXLink(pinnedAt: path).detach()
        try unpin(path)
    }
}

// MARK: - clsact

extension DeviceAttachments {
    private static let note = "clsact"

    private func attachFilter(
        _ program: borrowing BPFProgram, to device: NetworkDevice, _ direction: TrafficDirection
    ) throws(BPFError) -> Change {
        let filter = ClsactFilter(of: device, direction, prefix: prefix)
        let before = try filter.attached
        if before?.id == program.id { return .none }
        try createDiscipline(of: device)
        try filter.attach(program)
        return before == nil ? .attached : .replaced
    }

    /// The note comes first: what is made and not noted would be left behind.
    private func createDiscipline(of device: NetworkDevice) throws(BPFError) {
        guard try Clsact.discipline(of: device) != "clsact" else { return }
        let note = pin(device.index, Self.note)
        try BPFFileSystem.makeDirectories(note)
        var isOurs = false
        defer { if !isOurs { _ = note.withPlatformString { rmdir($0) } } }
        isOurs = try Clsact.create(on: device)
    }

    private func removeDiscipline(of device: NetworkDevice) throws(BPFError) {
        let note = pin(device.index, Self.note)
        guard note.exists else { return }
        _ = try Clsact.removeIfEmpty(from: device)
        // If it is in use by now, it is no longer ours.
        _ = note.withPlatformString { rmdir($0) }
    }
}

// MARK: - Records

extension DeviceAttachments {
    /// An entry of the directory.
    struct Record {
        var path: FilePath
        var device: UInt32
        var isNote: Bool

        func leadsToNothing() throws(BPFError) -> Bool {
            if isNote { return false }
            return try !TCXLink(pinnedAt: path).info.isAttached
        }
    }

    private func pin(_ device: UInt32, _ what: String) -> FilePath { directory.appending("\(device)-\(what)") }

    func records() throws(BPFError) -> [Record] {
        try entries(of: directory).compactMap { name in
            let parts = name.split(separator: "-", maxSplits: 1)
            guard parts.count == 2, let device = UInt32(parts[0]) else { return nil }
            return Record(path: directory.appending(name), device: device, isNote: parts[1] == Self.note)
        }
    }

    private func remove(_ record: Record) throws(BPFError) {
        if record.isNote {
            _ = record.path.withPlatformString { rmdir($0) }
        } else {
            try removeLink(pinnedAt: record.path)
        }
    }
}
