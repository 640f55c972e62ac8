internal import BPFLoader
internal import CDatapath
import Glibc
internal import ServiceMaps
internal import SystemPackage

/// The cgroups whose sockets the hooks serve, by their numbers: those below the one that has the hooks, without those whose
/// sockets are left to the packets.
///
/// The directories are read when the first cgroup is asked for, which seldom happens.
struct ServedCgroups: ~Copyable {
    private let root: FilePath
    private let left: Set<UInt64>
    private var found: Set<UInt64>?

    /// - Parameter left: the map `left_cgroups`.
    init(below root: FilePath, without left: borrowing BPFMap) throws(BPFError) {
        self.root = root
        self.left = Set(try left.entries(key: UInt64.self, value: left_cgroup.self).map(\.key))
    }

    /// Whether the hooks serve sockets of this cgroup; not if it is gone.
    mutating func contain(_ cgroup: UInt64) -> Bool {
        let known = found ?? walk()
        found = known
        return known.contains(cgroup)
    }

    private func walk() -> Set<UInt64> {
        guard let id = try? CgroupFileSystem.id(of: root) else { return [] }
        var served: Set<UInt64> = [id]
        var rest = [root]
        while let directory = rest.popLast() {
            for child in CgroupFileSystem.children(of: directory) where !left.contains(child.id) {
                served.insert(child.id)
                rest.append(directory.appending(child.name))
            }
        }
        return served
    }
}
