import BPFLoader
import Logging
import Settings
import SystemPackage

// The kernel's part stays as we made it, even if pins, links or the cgroup are removed.
extension DatapathKeeper {
    /// Looks whether all is pinned and attached, and puts right what is not.
    /// - Returns: what a person must do; nil when all is well.
    package func mend() async -> String? {
        guard isAttached else { return nil }
        do {
            let hasChanged = try repin()
            try reattach()
            await devices.lookAgain(hasChanged: hasChanged)
            return nil
        } catch let error as BPFError where error.cause == .permissionDenied {
            return "\(error); let root run `swiftlet prepare --user USER`"
        } catch {
            return "\(error)"
        }
    }

    /// - Returns: whether something was missing.
    func repin() throws -> Bool {
        let restored = try held.restore()
        if !restored.isEmpty {
            try handOver.note()
            log.warning(
                "restored pins that were removed",
                metadata: ["below": "\(handOver.own.version)", "pins": "\(restored.count)"])
        }
        // What came, as links to new devices, is held from now on, and what went is let go.
        try held.refresh()
        return !restored.isEmpty
    }

    private func reattach() throws {
        let lost = try datapath.detachedHooks(
            from: cgroup, bindProtection: settings.bindProtection, sourceCheck: checksSources)
        guard !lost.isEmpty else { return }
        _ = try attachHooks(datapath)
        try held.refresh()
        log.warning(
            "reattached hooks that were removed",
            metadata: ["cgroup": "\(cgroup)", "hooks": "\(lost.map(\.description).joined(separator: ", "))"])
    }
}
