import Glibc

/// The clock that programs in the kernel read with `bpf_ktime_get_ns`: it stands still while the machine sleeps.
package enum KernelClock {
    /// The time since the machine was started.
    package static var now: Duration {
        read(CLOCK_MONOTONIC)
    }

    /// The same at the last tick.
    package static var lastTick: Duration { read(CLOCK_MONOTONIC_COARSE) }

    private static func read(_ clock: clockid_t) -> Duration {
        var time = timespec()
        clock_gettime(clock, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}

extension Duration {
    /// As the kernel's clocks count; what is left of a nanosecond is dropped.
    package var wholeNanoseconds: UInt64 {
        UInt64(components.seconds) * 1_000_000_000 + UInt64(components.attoseconds / 1_000_000_000)
    }
}
