import Logging
import Netlink
import NodeNetwork
import Settings

// Settings of the kernel that are in the way of packets.
extension DeviceKeeper {
    /// Looks whether the kernel is told to forward, and tells it if that is wanted.
    func check(_ selection: DeviceSelection) {
        look(selection)
        guard settings.setsSysctls else { return }
        for finding in findings { set(finding) }
        look(selection)
    }

    func look(_ selection: DeviceSelection) {
        do {
            findings = try ForwardingSettings().findings(
                for: selection, in: network,
                .init(network, nodePorts: settings.nodePortRange))
            unreadable = nil
        } catch {
            unreadable = "cannot look at the settings for forwarding: \(error)"
        }
    }

    private func set(_ finding: ForwardingSettings.Finding) {
        do {
            try ForwardingSettings().set(finding)
        } catch {
            // The kernel, or the sandbox, will not allow it the next time either.
            if refusals.updateValue(error, forKey: finding) == nil {
                let advice = SettingAdvice(finding, refused: error)
                log.error("cannot change a sysctl", metadata: ["cause": "\(advice.text)"])
            }
            return
        }
        log.notice(
            "changed a setting of the kernel",
            metadata: [
                "setting": "\(finding.setting.name)", "from": "\(finding.value)", "to": "\(finding.wanted)",
            ])
    }
}

/// What to do about a setting of the kernel.
struct SettingAdvice: Sendable, Hashable {
    let severity: ForwardingSettings.Finding.Severity
    /// What happened, to what, and what to do.
    let text: String

    /// - Parameter error: why the setting could not be changed, if that was tried.
    init(_ finding: ForwardingSettings.Finding, refused error: NetworkError?) {
        severity = finding.severity
        let remedy =
            error.map { "\($0); let root run `swiftlet prepare --set-sysctls`" }
            ?? "set it to \(finding.wanted), or run with --set-sysctls"
        text = "\(finding.state): \(finding.effect); \(remedy)"
    }
}
