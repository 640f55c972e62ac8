import Glibc

/// The clock that programs in the kernel read with `bpf_ktime_get_ns`: it stands still while the machine sleeps.
package enum KernelClock {
    /// The time since the machine was started.
    package static var now: Duration {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
