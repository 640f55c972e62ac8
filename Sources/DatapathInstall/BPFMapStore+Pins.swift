package import BPFLoader
package import ServiceMaps

extension BPFMapStore {
    /// The maps of a pin directory.
    package init(pins: DatapathPins) throws(BPFError) {
        try self.init { map throws(BPFError) in try BPFMap(pinnedAt: pins.map(map.rawValue)) }
    }
}
