import CLibbpf

/// Functions of the kernel that programs may call by name.
public enum KernelFunction {
    /// Whether the running kernel has a function of this name, by its type information.
    public static func exists(_ name: String) -> Bool {
        LibbpfLog.install()
        return libbpf_find_vmlinux_btf_id(name, BPF_TRACE_FENTRY) > 0
    }
}
