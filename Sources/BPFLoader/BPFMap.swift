import CLibbpf
import Glibc
package import SystemPackage

/// A map of the kernel. It owns a descriptor of its own, so it outlives the object or the pin that it came from.
///
/// Keys and values are any `BitwiseCopyable` type whose size is exactly the map's; padding must be named fields,
/// because the kernel compares keys byte by byte.
package struct BPFMap: ~Copyable, Sendable {
    let descriptor: Descriptor
    /// The kernel's name, at most 15 characters.
    package let name: String
    /// The kernel's number for this map, as bpftool shows it.
    package let id: UInt32
    package let type: BPFMapType
    package let keySize: Int
    package let valueSize: Int
    package let maxEntries: Int

    init(_ descriptor: consuming Descriptor) throws(BPFError) {
        var info = bpf_map_info()
        var length = UInt32(MemoryLayout<bpf_map_info>.size)
        try checked(bpf_obj_get_info_by_fd(descriptor.rawValue, &info, &length), .read, "map")
        self.descriptor = descriptor
        name = text(of: info.name)
        id = info.id
        type = BPFMapType(rawValue: info.type)
        keySize = Int(info.key_size)
        valueSize = Int(info.value_size)
        maxEntries = Int(info.max_entries)
    }

    /// Opens the map that is pinned at a path.
    package init(pinnedAt path: FilePath) throws(BPFError) {
        try self.init(Descriptor(pinnedAt: path, expecting: .map))
    }

    /// Opens a map by the kernel's number.
    package init(id: UInt32) throws(BPFError) {
        try self.init(Descriptor(adopting: checked(bpf_map_get_fd_by_id(id), .open, "map with id \(id)")))
    }

    /// Takes ownership of a map's descriptor.
    package init(adopting descriptor: Int32) throws(BPFError) {
        try self.init(Descriptor(adopting: descriptor))
    }

    init(duplicating descriptor: Int32, named name: String) throws(BPFError) {
        try self.init(Descriptor(duplicating: descriptor, of: name))
    }

    /// Creates a map without an object file, for tests and probes. `flags` are the kernel's `BPF_F_…`.
    package static func create(
        _ type: BPFMapType, name: String, keySize: Int, valueSize: Int, maxEntries: Int, flags: UInt32 = 0
    ) throws(BPFError) -> BPFMap {
        var options = bpf_map_create_opts()
        options.sz = MemoryLayout<bpf_map_create_opts>.size
        options.map_flags = flags
        let descriptor = bpf_map_create(
            bpf_map_type(rawValue: type.rawValue), name, UInt32(keySize), UInt32(valueSize), UInt32(maxEntries),
            &options)
        return try BPFMap(adopting: checked(descriptor, .create, "map \(name)"))
    }

    /// Keeps the map alive at a path in bpffs.
    package func pin(at path: FilePath) throws(BPFError) {
        try descriptor.pin(at: path, subject: "map \(name)")
    }

    /// What the kernel says about the map now.
    package var info: Info {
        get throws(BPFError) {
            let text = try readText(FilePath("/proc/self/fdinfo/\(descriptor.rawValue)"))
            let line = text.split(separator: "\n").first { $0.hasPrefix("memlock:") }
            let memory = line.flatMap { Int($0.drop { !$0.isNumber }) } ?? 0
            return Info(
                name: name, id: id, type: type, keySize: keySize, valueSize: valueSize, maxEntries: maxEntries,
                memory: memory)
        }
    }

    /// A description of a map, as a value that can be kept.
    package struct Info: Hashable, Sendable {
        package let name: String
        package let id: UInt32
        package let type: BPFMapType
        package let keySize: Int
        package let valueSize: Int
        package let maxEntries: Int
        /// Bytes of kernel memory; kernels before 6.4 only estimate it.
        package let memory: Int
    }
}

// MARK: - Layout

extension BPFMap {
    /// How many bytes the kernel copies for one value: for a per-CPU map, one for each possible CPU.
    var transferSize: Int { type.isPerCPU ? perCPUStride * CPUs.possible : valueSize }

    /// The distance of two CPUs' values, which the kernel rounds up.
    var perCPUStride: Int { (valueSize + 7) / 8 * 8 }

    func checkKey<Key: BitwiseCopyable>(_: Key.Type, _ action: BPFError.Action) throws(BPFError) {
        try checkLayout(Key.self, "key", keySize, action)
    }

    /// A map with one value for each key; the per-CPU calls check by themselves.
    func checkValue<Value: BitwiseCopyable>(_: Value.Type, _ action: BPFError.Action) throws(BPFError) {
        guard !type.isPerCPU else {
            throw BPFError(action, name, .invalidArgument, detail: "it has a value for each CPU")
        }
        try checkLayout(Value.self, "value", valueSize, action)
    }

    func checkLayout<Value: BitwiseCopyable>(
        _: Value.Type, _ role: String, _ size: Int, _ action: BPFError.Action
    ) throws(BPFError) {
        guard MemoryLayout<Value>.size == size, MemoryLayout<Value>.stride == size else {
            let detail = "its \(role) has \(size) bytes, \(Value.self) has \(MemoryLayout<Value>.stride)"
            throw BPFError(action, name, .invalidArgument, detail: detail, advice: "it may be of another version")
        }
    }
}

/// The CPUs of the machine, as maps count them.
package enum CPUs {
    /// How many values an entry of a per-CPU map has.
    package static let possible = Int(max(1, libbpf_num_possible_cpus()))
}
