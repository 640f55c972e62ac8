import BPFLoader
import Glibc
package import Logging
import ServiceMaps
package import Settings
package import SystemPackage

/// Finds the cgroups that patterns name, and has the hooks leave the sockets of their processes to the packets.
///
/// Processes of cgroups that are made below one of these are left from their first call on; a new cgroup that a pattern
/// names, within milliseconds.
package actor LeftCgroups {
    /// What `swiftlet status` says.
    package struct Report: Codable, Sendable, Hashable {
        package var patterns: [String]
        /// Paths, in order; of each only the uppermost directory.
        package var cgroups: [String]
        /// Patterns that name no cgroup now.
        package var unmatched: [String]
    }

    private let patterns: [CgroupPattern]
    private let root: FilePath
    private let maps: LeftCgroupMaps
    /// Nil: without patterns there is nothing to watch.
    private let notices: DirectoryNotices?
    private let log: Logger
    private var found: [UInt64: Found] = [:]
    private var met: Set<CgroupPattern> = []

    private struct Found {
        var path: FilePath
        var depth: Int
    }

    /// - Parameter root: the cgroup that is served.
    package init(_ patterns: [CgroupPattern], below root: FilePath, pins: DatapathPins, log: Logger) throws {
        self.patterns = patterns
        self.root = root
        self.log = log
        maps = try LeftCgroupMaps { map throws(BPFError) in try BPFMap(pinnedAt: pins.map(map.rawValue)) }
        notices = patterns.isEmpty ? nil : try DirectoryNotices()
    }

    /// Told of each change; ends at once without patterns.
    package nonisolated var changes: AsyncStream<Void> { notices?.changes ?? AsyncStream { $0.finish() } }

    package var report: Report? {
        guard !patterns.isEmpty else { return nil }
        return Report(
            patterns: patterns.map(\.description), cgroups: found.values.map(\.path.string).sorted(),
            unmatched: patterns.filter { !met.contains($0) }.map(\.description))
    }

    /// Looks at the directories that patterns lead through, and writes what they name.
    ///
    /// - Returns: what a person must do; nil when all is well.
    package func look() -> String? {
        do {
            var walk = Walk(notices: notices)
            walk.enter(root, depth: 0, patterns.map(\.start))
            let known = found
            try maps.write(walk.found.mapValues(\.depth), below: CgroupFileSystem.id(of: root))
            found = walk.found
            met = walk.met
            for (id, cgroup) in found where known[id] == nil {
                log.info("leaving sockets of a cgroup to the packets", metadata: ["cgroup": "\(cgroup.path)"])
            }
            return walk.problem
        } catch {
            return "\(error)"
        }
    }

    private struct Walk {
        let notices: DirectoryNotices?
        var found: [UInt64: Found] = [:]
        /// Patterns that name a directory, or lead below one that is left already.
        var met: Set<CgroupPattern> = []
        var problem: String?

        /// What is below a directory that is meant is left with it, and not looked at.
        mutating func enter(_ directory: FilePath, depth: Int, _ patterns: [CgroupPattern.Progress]) {
            guard !patterns.isEmpty, depth < LeftCgroupMaps.deepest else { return }
            // Before it is read: what is made in between is told.
            if let cause = notices?.watch(directory) {
                problem =
                    "new cgroups below \(directory) are seen every 5 seconds only: \(cause); "
                    + "raise fs.inotify.max_user_watches"
            }
            for child in CgroupFileSystem.children(of: directory) {
                let path = directory.appending(child.name)
                let next = patterns.compactMap { $0.entering(child.name) }
                guard next.contains(where: \.isMatch) else {
                    enter(path, depth: depth + 1, next)
                    continue
                }
                guard found.count < LeftCgroupMaps.capacity else {
                    problem =
                        "only \(found.count) cgroups can be left to the packets; write a pattern for what is above"
                    return
                }
                found[child.id] = Found(path: path, depth: depth + 1)
                met.formUnion(next.map(\.pattern))
            }
        }
    }
}
