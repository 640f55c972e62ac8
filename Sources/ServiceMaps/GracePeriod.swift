/// Waits until no program still uses what it read from a map before.
///
/// A hook runs under RCU: once every CPU has been through a quiescent state, a run of slots that no service entry
/// names any more has no reader left.
package protocol GracePeriod: Sendable {
    /// Returns when every reader that was running at the call has finished; may take tens of milliseconds.
    func wait() throws(GracePeriodError)
}

/// The end of a grace period could not be waited for, so nothing may be freed yet.
package struct GracePeriodError: Error, Sendable, Hashable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}
