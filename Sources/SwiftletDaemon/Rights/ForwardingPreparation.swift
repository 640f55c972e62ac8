import DatapathInstall
import NodeNetwork

/// The kernel's settings that are in the way of forwarding, changed once by root: for a daemon that may not.
package enum ForwardingPreparation {
    /// Changes what `swiftlet run --set-sysctls` would change for the devices that it chooses by itself.
    ///
    /// - Returns: what was changed, as lines for people.
    package static func run() throws -> [String] {
        let network = try NetworkSnapshot.read()
        let selection = DeviceSelection(
            of: network, nodeAddresses: [], named: DevicePatterns(), podInterfaces: DevicePatterns())
        let forwarding = ForwardingSettings()
        return try forwarding.findings(for: selection, in: network, .init(network)).map { finding in
            try forwarding.set(finding)
            return "\(finding.setting.name) is \(finding.wanted)"
        }
    }
}
