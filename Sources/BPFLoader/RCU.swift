import CLibbpf
import Glibc
import SystemPackage

/// The kernel's grace periods.
package enum RCU {
    /// Waits until every BPF program that was running when this was called has ended: what such a program may have
    /// read from a map is then no longer in use. Takes milliseconds; blocks the thread.
    package static func synchronize() throws(BPFError) {
        // On one CPU membarrier returns at once, though a preempted program may still be in the middle.
        let isAlone = sysconf(Int32(_SC_NPROCESSORS_ONLN)) < 2
        if !isAlone, swl_membarrier(Int32(MEMBARRIER_CMD_GLOBAL.rawValue)) == 0 { return }
        try synchronizeByMapOfMaps()
    }

    /// For machines whose membarrier does not wait: with one CPU, with nohz_full, or behind a seccomp filter. An update
    /// of a map of maps waits, by its contract, for the programs that may still see the old inner map.
    static func synchronizeByMapOfMaps() throws(BPFError) {
        let inner = try BPFMap.create(.array, name: "grace_inner", keySize: 4, valueSize: 4, maxEntries: 1)
        var options = bpf_map_create_opts()
        options.sz = MemoryLayout<bpf_map_create_opts>.size
        options.inner_map_fd = UInt32(inner.descriptor.rawValue)
        let created = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "grace_period", 4, 4, 1, &options)
        let outer = try BPFMap(adopting: checked(created, .wait, "grace period"))
        try outer.update(UInt32(0), to: inner.descriptor.rawValue)
    }
}
