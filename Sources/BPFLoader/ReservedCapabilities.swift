internal import CCapabilities

/// Capabilities that the process keeps without effect, for a moment of one thread in which they are needed.
///
/// What does the work must not wait meanwhile: a task may go on in another thread.
package struct ReservedCapabilities: ~Copyable {
    private var before: swl_capabilities?

    private init(before: swl_capabilities?) { self.before = before }

    /// Takes them up for the calling thread. Without any, what needs them fails and says what it lacks.
    package static func takeUp() -> ReservedCapabilities {
        var sets = swl_capabilities()
        guard swl_capabilities_get(&sets) == 0, sets.effective != sets.permitted else {
            return ReservedCapabilities(before: nil)
        }
        let before = sets
        sets.effective = sets.permitted
        return ReservedCapabilities(before: swl_capabilities_set(&sets) == 0 ? before : nil)
    }

    /// They are without effect again.
    package consuming func putBack() {
        guard var before else { return }
        _ = swl_capabilities_set(&before)
    }
}
