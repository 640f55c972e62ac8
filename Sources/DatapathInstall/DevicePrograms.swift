import BPFLoader
import ServiceModel

/// The programs for each kind of device, and what they are loaded with.
struct DevicePrograms {
    var settings: PacketDatapath.Settings
    var loaded: [PacketDatapath.Kind: PacketDatapath] = [:]

    mutating func load(_ kind: PacketDatapath.Kind, _ localTraffic: LocalTraffic) throws(BPFError) {
        loaded[kind] = try PacketDatapath(kind, settings.telling(localTraffic, kind))
    }
}
