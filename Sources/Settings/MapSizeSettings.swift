package import ManifestDirectory

/// How many entries the maps of Services and flows are made for. Those of Services grow (`memoryLimit`).
package struct MapSizeSettings: Sendable, Hashable {
    /// Frontends per IP family.
    package var services: UInt32 = 65_536
    /// Endpoints of service ports per IP family.
    package var backends: UInt32 = 131_072
    /// Per IP family: about one for each endpoint of each service port.
    package var slots: UInt32 = 262_144
    /// Ranges of `loadBalancerSourceRanges` per IP family.
    package var sourceRanges: UInt32 = 65_536
    /// Flows per IP family that are translated packet by packet; 0: as many as the machine's memory suggests.
    package var flows: UInt32 = 0
    /// MiB of kernel memory that the maps of Services may grow to; 0: they keep their size.
    package var memoryLimit: UInt32 = 512

    /// A number of entries. The kernel makes no map of 2^32 bytes, and the largest entry has some hundred.
    package static func entries(setting: String) throws(SettingMistake) -> UInt32 {
        try number(setting, in: 1...16_777_216)
    }

    /// A number of flows: each has up to three entries in another map.
    package static func flows(setting: String) throws(SettingMistake) -> UInt32 {
        try number(setting, in: 0...4_194_304)
    }

    private static func number(_ text: String, in range: ClosedRange<UInt32>) throws(SettingMistake) -> UInt32 {
        guard let number = UInt32(text), range.contains(number) else {
            throw SettingMistake("write a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
