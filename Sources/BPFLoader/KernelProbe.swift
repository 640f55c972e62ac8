import CLibbpf
import Glibc
import SystemPackage
import SystemCalls

/// One experiment for each feature: the smallest program or map that needs it.
enum KernelProbe {
    static func has(_ feature: KernelFeature) -> Bool {
        do throws(BPFError) {
            try attempt(feature)
            return true
        } catch {
            // The experiment failed: the kernel lacks the feature. The right to try was checked before.
            return false
        }
    }

    /// Throws if even a program that does nothing is refused.
    static func checkRightToLoad() throws(BPFError) {
        try loadSocketAddress([.set(0, to: 1), .exit])
    }

    private static func attempt(_ feature: KernelFeature) throws(BPFError) {
        switch feature {
        case .setReturnValueInSocketAddress:
            try loadSocketAddress([.set(1, to: -ECONNREFUSED), .call(BPF_FUNC_set_retval), .set(0, to: 1), .exit])
        case .networkNamespaceCookie:
            try loadSocketAddress([.call(BPF_FUNC_get_netns_cookie), .set(0, to: 1), .exit])
        case .networkNamespaceCookieOfSocket:
            guard try NetworkNamespace.cookie() != nil else { throw lacks("SO_NETNS_COOKIE") }
        case .socketStorage:
            try useSocketStorage()
        case .multipathSockets:
            try loadSocketAddress([
                .load(1, from: 1, offset: socketOffset), .call(BPF_FUNC_skc_to_mptcp_sock), .set(0, to: 1), .exit,
            ])
        case .readableSockets:
            guard KernelFunction.exists("bpf_rdonly_cast") else { throw lacks("bpf_rdonly_cast") }
        case .coarseClock:
            _ = try TickClock.measure()
        case .connectionTracking:
            let reserved = ReservedCapabilities.takeUp()
            let isCallable = KernelFunction.isCallable("bpf_skb_ct_lookup", of: "nf_conntrack")
            reserved.putBack()
            guard isCallable else { throw lacks("bpf_skb_ct_lookup") }
        case .batchOperations:
            try updateInBatch()
        case .ringBuffer:
            _ = try BPFMap.create(
                .ringBuffer, name: "probe_ring", keySize: 0, valueSize: 0, maxEntries: Int(getpagesize()))
        case .syscallPrograms:
            _ = try BPFProgram.load(
                "probe_syscall", BPF_PROG_TYPE_SYSCALL, flags: UInt32(BPF_F_SLEEPABLE), [.set(0, to: 0), .exit])
        case .runStatistics:
            try enableRunStatistics()
        case .tcx:
            try queryTCX()
        case .typeInformation:
            guard access("/sys/kernel/btf/vmlinux", R_OK) == 0 else { throw lacks("/sys/kernel/btf/vmlinux") }
        }
    }

    /// Of `sk` in struct bpf_sock_addr.
    private static let socketOffset: Int16 = 64

    private static func lacks(_ what: String) -> BPFError { BPFError(.probe, what, .notSupportedByKernel) }

    private static func loadSocketAddress(_ instructions: [Instruction]) throws(BPFError) {
        _ = try BPFProgram.load(
            "probe_connect4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, for: BPF_CGROUP_INET4_CONNECT, instructions)
    }

    /// Storage needs a map with types, and a program that asks for the socket's entry.
    private static func useSocketStorage() throws(BPFError) {
        let map = try socketStorageMap()
        let create = Int32(BPF_SK_STORAGE_GET_F_CREATE)
        let instructions =
            [Instruction.load(2, from: 1, offset: socketOffset)] + Instruction.load(1, map: map.descriptor.rawValue)
            + [.set(3, to: 0), .set(4, to: create), .call(BPF_FUNC_sk_storage_get), .set(0, to: 1), .exit]
        try loadSocketAddress(instructions)
    }

    private static func socketStorageMap() throws(BPFError) -> BPFMap {
        guard let types = btf__new_empty() else { throw BPFError(.create, "type information", .last) }
        defer { btf__free(types) }
        let integer = try checked(btf__add_int(types, "int", 4, Int32(BTF_INT_SIGNED)), .create, "type int")
        try checked(btf__load_into_kernel(types), .load, "type information")
        var options = bpf_map_create_opts()
        options.sz = MemoryLayout<bpf_map_create_opts>.size
        options.map_flags = UInt32(BPF_F_NO_PREALLOC)
        options.btf_fd = UInt32(btf__fd(types))
        options.btf_key_type_id = UInt32(integer)
        options.btf_value_type_id = UInt32(integer)
        let descriptor = bpf_map_create(BPF_MAP_TYPE_SK_STORAGE, "probe_storage", 4, 4, 0, &options)
        return try BPFMap(adopting: checked(descriptor, .create, "socket storage"))
    }

    private static func updateInBatch() throws(BPFError) {
        let map = try BPFMap.create(.hash, name: "probe_batch", keySize: 4, valueSize: 4, maxEntries: 1)
        var (key, value, count) = (UInt32(1), UInt32(1), UInt32(1))
        try checked(
            bpf_map_update_batch(map.descriptor.rawValue, &key, &value, &count, nil), .update, "a map in a batch")
    }

    /// The kernel has them if it refuses for want of CAP_SYS_ADMIN, which nothing else here needs.
    private static func enableRunStatistics() throws(BPFError) {
        do throws(BPFError) {
            _ = try RunStatistics.enable()
        } catch  where error.cause == .notPermitted {
            return
        }
    }

    /// A kernel without tcx refuses the question; none attaches anything for it. Interface 1 is the loopback.
    private static func queryTCX() throws(BPFError) {
        _ = try TCXQuery.chain(on: 1, .ingress, subject: "tcx of the loopback")
    }
}
