import CCapabilities
import Glibc
import ServiceModel
import SystemPackage
import SystemCalls

/// The capabilities of the calling thread, which threads that it starts inherit.
enum ThreadCapabilities {
    /// Those that count now.
    static var effective: CapabilitySet {
        var sets = swl_capabilities()
        // Nothing but a wrong pointer makes the kernel refuse.
        return swl_capabilities_get(&sets) == 0 ? CapabilitySet(rawValue: sets.effective) : []
    }

    /// Those that the thread may take up without having them in effect.
    static var reserved: CapabilitySet {
        var sets = swl_capabilities()
        return swl_capabilities_get(&sets) == 0 ? CapabilitySet(rawValue: sets.permitted & ~sets.effective) : []
    }

    /// Gives up all others for good, for this thread, those that it starts from now on, and what they execute.
    ///
    /// - Parameter reserved: those that only have an effect once a thread takes them up; what a thread executes never
    ///   has them.
    /// - Returns: those that were given up.
    static func keepOnly(
        _ kept: CapabilitySet, reserved: CapabilitySet
    ) throws(DaemonError) -> CapabilitySet {
        var sets = swl_capabilities()
        try check(swl_capabilities_get(&sets))
        let permitted = CapabilitySet(rawValue: sets.permitted)
        // Where the bound cannot be lowered, as by a user who is not root, clearing the ambient set does the same:
        // what such a user executes gets nothing.
        if permitted.contains(.setCapabilities) { try lowerBound(to: kept) }
        try check(swl_capabilities_clear_ambient())
        sets.permitted = permitted.intersection(kept.union(reserved)).rawValue
        sets.effective = permitted.intersection(kept).rawValue
        sets.inheritable = 0
        try check(swl_capabilities_set(&sets))
        return permitted.subtracting(kept.union(reserved))
    }

    private static func lowerBound(to kept: CapabilitySet) throws(DaemonError) {
        for number in 0..<Int32(64) where !kept.contains(CapabilitySet(rawValue: 1 << UInt64(number))) {
            if swl_capability_is_bounded(number) == 1 { try check(swl_capability_drop_bound(number)) }
        }
    }

    private static func check(_ status: Int32) throws(DaemonError) {
        guard status != 0 else { return }
        throw DaemonError(
            .sandboxed,
            "cannot give up capabilities that are not needed: \(Errno.last.plainText); "
                + "allow capset and prctl in the sandbox")
    }
}
