package import SystemPackage

/// Where the maps are pinned that have the way back of connected sockets.
package struct DatapathPaths: Sendable, Hashable {
    package var origin: FilePath
    package var spill: FilePath

    package init(origin: FilePath, spill: FilePath) {
        self.origin = origin
        self.spill = spill
    }
}
