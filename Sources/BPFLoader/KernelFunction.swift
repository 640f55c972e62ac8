import CLibbpf
import Glibc

/// Functions of the kernel that programs may call by name.
package enum KernelFunction {
    /// BTF_KIND_FUNC, which the kernel defines as a constant and as a macro.
    private static let functionKind: UInt32 = 12

    /// Whether the running kernel has a function of this name, by its type information.
    package static func exists(_ name: String) -> Bool {
        LibbpfLog.install()
        return libbpf_find_vmlinux_btf_id(name, BPF_TRACE_FENTRY) > 0
    }

    /// Whether a program that is loaded now may call a function that belongs to the kernel or to a module.
    ///
    /// A module's functions can be called while it is loaded, and only with the right to list type information (CAP_SYS_ADMIN).
    package static func isCallable(_ name: String, of module: String) -> Bool {
        exists(name) || isExported(name, by: module)
    }

    private static func isExported(_ name: String, by module: String) -> Bool {
        guard let id = typeInformation(of: module), let base = btf__load_vmlinux_btf() else { return false }
        defer { btf__free(base) }
        guard let types = btf__load_from_kernel_by_id_split(id, base) else { return false }
        defer { btf__free(types) }
        return btf__find_by_name_kind(types, name, functionKind) > 0
    }

    /// The kernel's number for the type information of a module; nil if it is not loaded, or we may not ask.
    private static func typeInformation(of module: String) -> UInt32? {
        var id: UInt32 = 0
        while bpf_btf_get_next_id(id, &id) == 0 {
            // It may have gone meanwhile.
            let descriptor = bpf_btf_get_fd_by_id(id)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            if moduleName(descriptor) == module { return id }
        }
        return nil
    }

    private static func moduleName(_ descriptor: Int32) -> String? {
        var name = [CChar](repeating: 0, count: 64)
        var info = bpf_btf_info()
        var size = UInt32(MemoryLayout<bpf_btf_info>.size)
        let status = name.withUnsafeMutableBufferPointer { buffer in
            info.name = UInt64(UInt(bitPattern: buffer.baseAddress))
            info.name_len = UInt32(buffer.count)
            return bpf_obj_get_info_by_fd(descriptor, &info, &size)
        }
        guard status == 0, info.kernel_btf == 1 else { return nil }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
