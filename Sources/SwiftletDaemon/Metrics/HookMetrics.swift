import BPFLoader
import DatapathInstall
import ServiceModel
import Settings
import SystemPackage

/// What a scrape finds of the hooks.
struct HookMetrics: Sendable {
    /// By the hook's name; those that the settings do not want are absent.
    var attached: [String: Bool] = [:]
    /// Whether a connect to a VIP of each family is translated; nil where that cannot be asked: there is no VIP, connects of TCP
    /// are left to packets, or the daemon is not below the cgroup.
    var isEffective: Bool?

    /// - Parameter vips: what is asked, one for each family.
    static func look(at pins: DatapathPins, _ settings: Configuration, cgroup: FilePath, vips: [IPAddress]) -> Self {
        var found = Self()
        guard settings.sockets != .off else { return found }
        for hook in pins.shownHooks where settings.bindProtection || ![.bind4, .bind6].contains(hook) {
            let info = try? CgroupLink(pinnedAt: pins.link(hook)).info
            found.attached["\(hook)"] = info?.isAttached == true
        }
        guard settings.sockets.serves(.tcp) else { return found }
        let outcomes = vips.compactMap { HookProbe.runHere(cgroup: cgroup, vip: $0) }
        found.isEffective = outcomes.isEmpty ? nil : outcomes.allSatisfy { $0 == .effective }
        return found
    }
}
