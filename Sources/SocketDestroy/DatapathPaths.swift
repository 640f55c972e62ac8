package import SystemPackage

/// Where the maps are pinned that say which sockets are served, and whose hooks they are.
package struct DatapathPaths: Sendable, Hashable {
    /// The way back of connected sockets.
    package var origin: FilePath
    package var spill: FilePath
    package var leftCgroups: FilePath
    /// The cgroup that has the hooks.
    package var cgroup: FilePath

    package init(origin: FilePath, spill: FilePath, leftCgroups: FilePath, cgroup: FilePath) {
        self.origin = origin
        self.spill = spill
        self.leftCgroups = leftCgroups
        self.cgroup = cgroup
    }
}
