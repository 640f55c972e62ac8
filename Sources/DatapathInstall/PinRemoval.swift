import BPFLoader
import Glibc
import ServiceMaps
import SystemPackage

/// Removes the pins of versions of the map layout: what has a name of ours and is what the name says. Everything else
/// stays, and is reported.
struct PinRemoval {
    var report = Cleanup.Report()
    /// Told of each step that is done.
    var reached: (String) -> Void = { _ in }

    private static let linkNames = Set(CgroupAttachType.allCases.map { "\($0)" })
    private static let mapNames = Set(ServiceMap.allCases.map(\.rawValue))

    /// Links, then maps, then directories. Programs on devices are not touched: they must be gone, or elsewhere.
    mutating func remove(_ pins: DatapathPins) throws {
        report.removedLinks += try remove(Self.linkNames, from: pins.links)
        try removeDirectory(pins.devices)
        try removeMaps(of: pins)
        try LayoutNotes(of: pins).remove()
        try removeDirectory(pins.layouts)
        for mark in DatapathPins.Mark.allCases { pins.clear(mark) }
        try removeDirectory(pins.strange)
        try removeDirectory(pins.version)
    }

    mutating func removeMaps(of pins: DatapathPins) throws {
        try removeNext(of: pins)
        report.removedMaps += try remove(Self.mapNames, from: pins.maps)
    }

    /// Maps that were to take the place of others: those are still there, and hold the same.
    mutating func removeNext(of pins: DatapathPins) throws {
        report.removedMaps += try remove(Self.mapNames, from: pins.next)
    }

    private mutating func remove(_ names: Set<String>, from directory: FilePath) throws -> [FilePath] {
        var removed: [FilePath] = []
        for name in try DirectoryListing.names(in: directory) where names.contains(name) {
            let path = directory.appending(name)
            if try unpin(path) { removed.append(path) }
            reached("removed \(path)")
        }
        try removeDirectory(directory)
        return removed
    }

    /// Removes an empty directory; what is still in it is not ours.
    mutating func removeDirectory(_ directory: FilePath) throws(InstallError) {
        let status = directory.withPlatformString { rmdir($0) }
        guard status != 0, errno == ENOTEMPTY || errno == EEXIST else { return }
        report.foreign += try DirectoryListing.names(in: directory).map(directory.appending).filter { path in
            !report.foreign.contains { $0.starts(with: path) }
        }
    }
}
