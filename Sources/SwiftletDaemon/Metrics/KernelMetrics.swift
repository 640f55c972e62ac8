import BPFLoader
import DatapathInstall
import ServiceMaps

extension MetricsSnapshot.Kernel {
    /// Reads the pinned maps.
    ///
    /// - Parameters:
    ///   - known: entries that need not be counted: those of the maps which the control plane writes.
    ///   - serviceLimit: so many service ports are read one by one.
    static func read(_ pins: DatapathPins, known: [ServiceMap: Int], serviceLimit: Int) throws -> Self {
        let (uses, total) = try ServiceUse.read(from: BPFMapStore(pins: pins), limit: serviceLimit)
        return Self(
            counters: try MapInspection.counters(of: pins), uses: uses, servicePorts: total,
            maps: try MapInspection.fill(of: pins, known: known))
    }
}
