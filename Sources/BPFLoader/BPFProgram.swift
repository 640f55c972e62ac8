import CLibbpf
package import SystemPackage

/// A program that the kernel has verified. It owns a descriptor of its own.
package struct BPFProgram: ~Copyable, Sendable {
    let descriptor: Descriptor
    /// The function's name; for a program that was opened by pin or id, the kernel's 15 characters of it.
    package let name: String
    /// The kernel's number for this program, as bpftool shows it.
    package let id: UInt32

    init(_ descriptor: consuming Descriptor, name: String? = nil) throws(BPFError) {
        let info = try Self.readInfo(descriptor.rawValue)
        self.descriptor = descriptor
        self.name = name ?? text(of: info.name)
        id = info.id
    }

    init(duplicating descriptor: Int32, named name: String) throws(BPFError) {
        guard descriptor >= 0 else {
            throw BPFError(.find, "program \(name)", .noSuchFileOrDirectory, detail: "it was left out of the load")
        }
        try self.init(Descriptor(duplicating: descriptor, of: name), name: name)
    }

    /// Opens the program that is pinned at a path.
    package init(pinnedAt path: FilePath) throws(BPFError) {
        try self.init(Descriptor(pinnedAt: path, expecting: .program))
    }

    /// Opens a program by the kernel's number.
    package init(id: UInt32) throws(BPFError) {
        try self.init(Descriptor(adopting: checked(bpf_prog_get_fd_by_id(id), .open, "program with id \(id)")))
    }

    /// Keeps the program in the kernel at a path in bpffs.
    package func pin(at path: FilePath) throws(BPFError) {
        try descriptor.pin(at: path, subject: "program \(name)")
    }

    /// What the kernel says about the program now.
    package var info: Info {
        get throws(BPFError) {
            var mapIDs = [UInt32](repeating: 0, count: 64)
            let info = try Self.readInfo(descriptor.rawValue, mapIDs: &mapIDs)
            return Info(
                id: info.id, name: name, type: info.type,
                tag: withUnsafeBytes(of: info.tag) { $0.map(Self.hex).joined() },
                loadedAfterBoot: .nanoseconds(Int64(clamping: info.load_time)),
                runTime: .nanoseconds(Int64(clamping: info.run_time_ns)), runCount: info.run_cnt,
                verifiedInstructions: Int(info.verified_insns),
                mapIDs: Array(mapIDs.prefix(Int(info.nr_map_ids))))
        }
    }

    /// A description of a program, as a value that can be kept.
    package struct Info: Hashable, Sendable {
        package let id: UInt32
        package let name: String
        /// The kernel's `enum bpf_prog_type`.
        package let type: UInt32
        /// A hash of the instructions, the same for the same program.
        package let tag: String
        /// When it was loaded, as time since boot.
        package let loadedAfterBoot: Duration
        /// How long it ran in all, while a `RunStatistics` lived somewhere on the machine.
        package let runTime: Duration
        /// How often it ran in that time.
        package let runCount: UInt64
        /// How many instructions the verifier walked; 0 on kernels before 5.16.
        package let verifiedInstructions: Int
        /// The maps that it uses, 64 at most.
        package let mapIDs: [UInt32]
    }

    private static func readInfo(_ descriptor: Int32) throws(BPFError) -> bpf_prog_info {
        var none: [UInt32] = []
        return try readInfo(descriptor, mapIDs: &none)
    }

    private static func readInfo(_ descriptor: Int32, mapIDs: inout [UInt32]) throws(BPFError) -> bpf_prog_info {
        var info = bpf_prog_info()
        var length = UInt32(MemoryLayout<bpf_prog_info>.size)
        let status = mapIDs.withUnsafeMutableBufferPointer { buffer in
            info.nr_map_ids = UInt32(buffer.count)
            info.map_ids = UInt64(UInt(bitPattern: buffer.baseAddress))
            return bpf_obj_get_info_by_fd(descriptor, &info, &length)
        }
        try checked(status, .read, "program")
        return info
    }

    private static func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
