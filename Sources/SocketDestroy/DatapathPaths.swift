package import SystemPackage

/// Where the maps are pinned that say which sockets are served, and where to, and whose hooks they are.
package struct DatapathPaths: Sendable, Hashable {
    /// The way back of connected sockets.
    package var origin: FilePath
    package var spill: FilePath
    package var leftCgroups: FilePath
    /// The frontends of each family. They are opened when they are asked: growth puts others in their place.
    package var services4: FilePath
    package var services6: FilePath
    /// The cgroup that has the hooks.
    package var cgroup: FilePath

    package init(
        origin: FilePath, spill: FilePath, leftCgroups: FilePath, services4: FilePath, services6: FilePath,
        cgroup: FilePath
    ) {
        self.origin = origin
        self.spill = spill
        self.leftCgroups = leftCgroups
        self.services4 = services4
        self.services6 = services6
        self.cgroup = cgroup
    }
}
