import CLibbpf
import Glibc
import SystemCalls
import SystemPackage

/// CLOCK_MONOTONIC as a program tells it from the kernel's count of ticks: `start + ticks * length`, to a tick. The count
/// is in memory, where a helper has to be called for every other clock.
package struct TickClock: BitwiseCopyable, Sendable {
    /// The nanoseconds of a tick: 1 to 10 ms.
    package let length: UInt32
    /// What the clock would have been, modulo 2^64, when the count was 0.
    package let start: UInt64

    /// Compares the two. The offset is the same for all processes as long as the kernel runs.
    ///
    /// - Throws: where the kernel has no `bpf_jiffies64` (5.6), or counts ticks by a timer of its own instead of this
    ///   clock (no high-resolution timers): the two would drift apart.
    package static func measure() throws(BPFError) -> TickClock {
        let subject = "the kernel's count of ticks"
        let length = resolution(CLOCK_MONOTONIC_COARSE)
        guard resolution(CLOCK_MONOTONIC) < length, length <= 10_000_000 else {
            throw BPFError(.probe, subject, .notSupportedByKernel)
        }
        let map = try BPFMap.create(.array, name: "probe_ticks", keySize: 4, valueSize: 8, maxEntries: 1)
        let program = try load(on: map)
        // Between two readings of the clock that are equal there was no tick.
        for _ in 0..<1_000 {
            let before = KernelClock.lastTick
            _ = try program.run(packet: [UInt8](repeating: 0, count: 64))
            let count = try map.lookup(UInt32(0), as: UInt64.self) ?? 0
            guard KernelClock.lastTick == before else { continue }
            return TickClock(
                length: UInt32(length), start: before.wholeNanoseconds &- count &* UInt64(length))
        }
        throw BPFError(.probe, subject, .timedOut)
    }

    private static func resolution(_ clock: clockid_t) -> Int {
        var time = timespec()
        clock_getres(clock, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    /// Loads the program that writes the count into an array's value.
    private static func load(on map: borrowing BPFMap) throws(BPFError) -> BPFProgram {
        try BPFProgram.load(
            "probe_ticks", BPF_PROG_TYPE_SCHED_CLS,
            [.call(BPF_FUNC_jiffies64)] + Instruction.load(1, valuesOf: map.descriptor.rawValue)
                + [.store(0, at: 1, offset: 0), .set(0, to: 0), .exit])
    }
}
