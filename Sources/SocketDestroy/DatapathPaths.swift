public import SystemPackage

/// Where the maps are pinned that have the way back of connected sockets.
public struct DatapathPaths: Sendable, Hashable {
    public var origin: FilePath
    public var spill: FilePath

    public init(origin: FilePath, spill: FilePath) {
        self.origin = origin
        self.spill = spill
    }
}
