package import BPFLoader
internal import CDatapath

/// Writes which cgroups' sockets the hooks leave to the packets: `left_cgroups` and `left_depths`.
package struct LeftCgroupMaps: ~Copyable, Sendable {
    private let cgroups: BPFMap
    private let depths: BPFMap

    /// As many as there is room for.
    package static let capacity = Int(LB_LEFT_CGROUPS)
    /// How deep below the served cgroup the programs look, if that is the root of the hierarchy.
    package static let deepest = Int(LB_CGROUP_LEVELS) - 1

    /// Opens the maps, each with `open`: from its pin, or from a loaded object.
    package init(open: (ServiceMap) throws(BPFError) -> BPFMap) throws(BPFError) {
        let cgroups = try open(.leftCgroups)
        let depths = try open(.leftDepths)
        self.cgroups = cgroups
        self.depths = depths
    }

    /// Writes what there is, and then removes what is no more.
    ///
    /// - Parameters:
    ///   - wanted: depths below the served cgroup, by the ids of cgroups.
    ///   - root: id of the served cgroup.
    package func write(_ wanted: [UInt64: Int], below root: UInt64) throws(BPFError) {
        let held = try cgroups.entries(key: UInt64.self, value: left_cgroup.self).map(\.key)
        let known = Set(held)
        for (id, depth) in wanted where !known.contains(id) {
            try cgroups.update(id, to: left_cgroup(depth: UInt32(depth)))
        }
        let bits = Set(wanted.values).reduce(UInt64(0)) { $0 | 1 << UInt64($1) }
        try depths.update(UInt32(0), to: left_depths(root: root, depths: bits))
        for id in held where wanted[id] == nil { try cgroups.delete(id) }
    }
}
