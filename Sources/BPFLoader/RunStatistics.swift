import CLibbpf
import SystemPackage

/// While it lives, the kernel counts and times the runs of every program: `BPFProgram.info`.
///
/// This costs each run some tens of nanoseconds; the kernel stops when the last owner on the machine is gone.
package struct RunStatistics: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Starts counting. Throws on kernels before 5.8.
    package static func enable() throws(BPFError) -> RunStatistics {
        let descriptor = bpf_enable_stats(BPF_STATS_RUN_TIME)
        return RunStatistics(
            descriptor: Descriptor(adopting: try checked(descriptor, .enable, "run statistics")))
    }

    private init(descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }
}
