import CLibbpf

/// The kind of a map, by the kernel's number; a kind that this list does not name still has its number.
package struct BPFMapType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }
    init(_ type: bpf_map_type) { rawValue = type.rawValue }

    package static let hash = BPFMapType(BPF_MAP_TYPE_HASH)
    package static let array = BPFMapType(BPF_MAP_TYPE_ARRAY)
    package static let perCPUHash = BPFMapType(BPF_MAP_TYPE_PERCPU_HASH)
    package static let perCPUArray = BPFMapType(BPF_MAP_TYPE_PERCPU_ARRAY)
    package static let lruHash = BPFMapType(BPF_MAP_TYPE_LRU_HASH)
    package static let lruPerCPUHash = BPFMapType(BPF_MAP_TYPE_LRU_PERCPU_HASH)
    package static let lpmTrie = BPFMapType(BPF_MAP_TYPE_LPM_TRIE)
    package static let arrayOfMaps = BPFMapType(BPF_MAP_TYPE_ARRAY_OF_MAPS)
    package static let socketStorage = BPFMapType(BPF_MAP_TYPE_SK_STORAGE)
    package static let ringBuffer = BPFMapType(BPF_MAP_TYPE_RINGBUF)

    /// A value for each possible CPU, each rounded up to eight bytes.
    package var isPerCPU: Bool { self == .perCPUHash || self == .perCPUArray || self == .lruPerCPUHash }

    /// Keys are the numbers from zero; an entry cannot be deleted.
    package var isArray: Bool { self == .array || self == .perCPUArray || self == .arrayOfMaps }
}

extension BPFMapType: CustomStringConvertible {
    /// The name as bpftool writes it: "percpu_array".
    package var description: String {
        libbpf_bpf_map_type_str(bpf_map_type(rawValue: rawValue)).map { String(cString: $0) } ?? "type \(rawValue)"
    }
}
