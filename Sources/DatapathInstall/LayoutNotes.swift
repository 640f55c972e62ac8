import BPFLoader
import Glibc
import ServiceMaps
import SystemPackage
import SystemCalls

/// What the maps of a version mean, noted beside them for the other versions. The kernel has it in their type information,
/// but tells only those with CAP_SYS_ADMIN, which the daemon gives up or never had.
///
/// A note is an empty directory, because bpffs holds nothing else that is text: `ROOT/v<ABI>/layouts/MAP-FINGERPRINT`.
struct LayoutNotes {
    private let directory: FilePath

    init(of pins: DatapathPins) { directory = pins.layouts }

    /// Whether the version has a map of this layout, as it says itself.
    func has(_ layout: MapLayout, of map: ServiceMap) -> Bool {
        Self.name(map, layout).map { directory.appending($0).exists } ?? false
    }

    /// Notes these layouts, and no others any more.
    func write(_ layouts: [ServiceMap: MapLayout]) throws {
        let names = Set(layouts.compactMap { Self.name($0, $1) })
        let present = Set(try DirectoryListing.names(in: directory))
        for name in present.subtracting(names) { remove(name) }
        for name in names.subtracting(present) { try BPFFileSystem.makeDirectories(directory.appending(name)) }
    }

    func remove() throws(InstallError) {
        for name in try DirectoryListing.names(in: directory) { remove(name) }
    }

    private func remove(_ name: String) { _ = directory.appending(name).withPlatformString { rmdir($0) } }

    private static func name(_ map: ServiceMap, _ layout: MapLayout) -> String? {
        layout.fingerprint.map { "\(map.rawValue)-\(String($0, radix: 16))" }
    }
}
