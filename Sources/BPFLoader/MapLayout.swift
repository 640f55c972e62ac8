import CLibbpf
import SystemPackage

/// What a map's bytes mean: its kind, the sizes of its keys and values, and their types, field by field.
///
/// Two maps with equal layouts can hold each other's entries. Names and values of types count: a field of another name,
/// or an enum with another meaning of a number, is another layout even where the sizes are the same.
package struct MapLayout: Hashable, Sendable {
    package let type: BPFMapType
    package let keySize: Int
    package let valueSize: Int
    /// The kernel's `BPF_F_…`.
    package let flags: UInt32
    /// The type of keys as text; nil where the map has no type information, or it may not be read.
    package let key: String?
    package let value: String?

    /// Whether entries of the other one can be taken as they are. Never true for what is not described.
    package func agrees(with other: MapLayout) -> Bool { isDescribed && self == other }

    /// Whether it is known what the bytes mean. A ring buffer has neither keys nor values.
    package var isDescribed: Bool { (key != nil || keySize == 0) && (value != nil || valueSize == 0) }

    /// The same, with keys and values that mean what they mean in the other one.
    package func described(like other: MapLayout) -> MapLayout {
        MapLayout(
            type: type, keySize: keySize, valueSize: valueSize, flags: flags, key: other.key, value: other.value)
    }

    /// A number for all of it, the same in every build (FNV-1a); nil if it is not described.
    package var fingerprint: UInt64? {
        guard isDescribed else { return nil }
        let text = "\(type.rawValue) \(keySize) \(valueSize) \(flags) \(key ?? "") \(value ?? "")"
        return text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// Whether entries take the same room, which is all that can be known without type information.
    package func hasSizes(of other: MapLayout) -> Bool {
        type == other.type && keySize == other.keySize && valueSize == other.valueSize
    }

    /// What makes two layouts differ, for people; nil if they agree.
    package func difference(from other: MapLayout) -> String? {
        if agrees(with: other) { return nil }
        if type != other.type { return "it is a map of another kind" }
        if keySize != other.keySize { return "its keys have \(keySize) bytes, not \(other.keySize)" }
        if valueSize != other.valueSize { return "its values have \(valueSize) bytes, not \(other.valueSize)" }
        if flags != other.flags { return "it was made with other flags" }
        if !isDescribed { return "it has no type information that could be read" }
        return "its keys or values have other fields"
    }
}

extension BPFMap {
    /// The layout of a map of the kernel.
    package var layout: MapLayout {
        get throws(BPFError) {
            var info = bpf_map_info()
            var length = UInt32(MemoryLayout<bpf_map_info>.size)
            try checked(bpf_obj_get_info_by_fd(descriptor.rawValue, &info, &length), .read, "map \(name)")
            let types = info.btf_id == 0 ? nil : btf__load_from_kernel_by_id(info.btf_id)
            defer { btf__free(types) }
            return MapLayout(
                type: type, keySize: keySize, valueSize: valueSize, flags: info.map_flags,
                key: TypeText.of(info.btf_key_type_id, in: types), value: TypeText.of(info.btf_value_type_id, in: types)
            )
        }
    }
}

extension BPFObject {
    /// The layout that a map of this object will have.
    package func layout(of map: String) throws(BPFError) -> MapLayout {
        let pointer = try handle.map(map, of: name)
        let types = bpf_object__btf(handle.pointer)
        return MapLayout(
            type: BPFMapType(rawValue: bpf_map__type(pointer).rawValue), keySize: Int(bpf_map__key_size(pointer)),
            valueSize: Int(bpf_map__value_size(pointer)), flags: bpf_map__map_flags(pointer),
            key: TypeText.of(bpf_map__btf_key_type_id(pointer), in: types),
            value: TypeText.of(bpf_map__btf_value_type_id(pointer), in: types))
    }
}

/// A type of the kernel's type information (BTF), spelled out down to its integers.
enum TypeText {
    static func of(_ id: UInt32, in types: OpaquePointer?) -> String? {
        guard let types, id != 0 else { return nil }
        return text(id, types, depth: 0)
    }

    private static func text(_ id: UInt32, _ types: OpaquePointer, depth: Int) -> String? {
        // Our structs are shallow; a type that leads to itself is none of ours.
        guard depth < 16, let type = btf__type_by_id(types, id) else { return nil }
        let name = btf__name_by_offset(types, type.pointee.name_off).map { String(cString: $0) } ?? ""
        let count = Int(btf_vlen(type))
        switch Int(btf_kind(type)) {
        case BTF_KIND_INT:
            // The name is the compiler's word for it: "unsigned int" and "__u32" are one.
            let data = UnsafeRawPointer(type + 1).load(as: UInt32.self)
            return "int\(type.pointee.size)\((data >> 24) & UInt32(BTF_INT_SIGNED) == 0 ? "u" : "s")"
        case BTF_KIND_TYPEDEF, BTF_KIND_CONST, BTF_KIND_VOLATILE:
            return text(type.pointee.type, types, depth: depth + 1)
        case BTF_KIND_ARRAY:
            let array = UnsafeRawPointer(type + 1).load(as: btf_array.self)
            return text(array.type, types, depth: depth + 1).map { "\($0)[\(array.nelems)]" }
        case BTF_KIND_STRUCT:
            let members = UnsafeRawPointer(type + 1).assumingMemoryBound(to: btf_member.self)
            var fields: [String] = []
            for index in 0..<count {
                let member = members[index]
                guard let field = text(member.type, types, depth: depth + 1),
                    let name = btf__name_by_offset(types, member.name_off)
                else { return nil }
                fields.append("\(String(cString: name))@\(member.offset):\(field)")
            }
            return "struct \(name) \(type.pointee.size) { \(fields.joined(separator: " ")) }"
        case BTF_KIND_ENUM:
            let values = UnsafeRawPointer(type + 1).assumingMemoryBound(to: btf_enum.self)
            let names = (0..<count).map { index in
                let name = btf__name_by_offset(types, values[index].name_off).map { String(cString: $0) } ?? ""
                return "\(name)=\(values[index].val)"
            }
            return "enum \(name) \(type.pointee.size) { \(names.joined(separator: " ")) }"
        default:
            return nil
        }
    }
}
