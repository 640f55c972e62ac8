package import Glibc

/// A cgroup of our own in the cgroup2 hierarchy; it is removed when its owner goes.
package struct Cgroup: ~Copyable, Sendable {
    package let path: String
    private let parent: String

    /// Creates a child of `parent` (the cgroup2 root if none is given) whose name holds our pid.
    package init(_ label: String, below parent: String? = nil) throws(LabError) {
        let above = if let parent { parent } else { try Self.root() }
        let path = "\(above)/\(LabName.unique(label))"
        guard mkdir(path, 0o755) == 0 else { throw LabError("create", "cgroup \(path)") }
        self.path = path
        self.parent = above
    }

    deinit { Self.remove(path, parent) }

    /// What the kernel and `bpftool cgroup` call it.
    package func id() throws(LabError) -> UInt64 {
        var status = stat()
        guard stat(path, &status) == 0 else { throw LabError("read", "cgroup \(path)") }
        return UInt64(status.st_ino)
    }

    /// Moves a process into it; 0 stands for this process.
    package func add(_ pid: pid_t) throws(LabError) {
        try SmallFile.write("\(pid)", to: "\(path)/cgroup.procs")
    }

    /// The processes in it.
    package func processes() throws(LabError) -> [pid_t] { try Self.processes(of: path) }

    /// Where the cgroup2 hierarchy is mounted: it may be /sys/fs/cgroup or, on hybrid systems, a folder below.
    package static func root() throws(LabError) -> String {
        let mounts = try SmallFile.read("/proc/self/mountinfo")
        for line in mounts.split(separator: "\n") {
            let halves = line.split(separator: " - ", maxSplits: 1)
            guard halves.count == 2, halves[1].hasPrefix("cgroup2 ") else { continue }
            let fields = halves[0].split(separator: " ")
            if fields.count > 4 { return String(fields[4]) }
        }
        throw LabError(
            "find", "the cgroup2 hierarchy", cause: "it is not mounted",
            advice: "mount -t cgroup2 none /sys/fs/cgroup/unified")
    }

    /// The cgroup2 directory that this process is in.
    package static func current() throws(LabError) -> String {
        let entries = try SmallFile.read("/proc/self/cgroup")
        for line in entries.split(separator: "\n") where line.hasPrefix("0::") {
            let below = String(line.dropFirst(3))
            return try root() + (below == "/" ? "" : below)
        }
        throw LabError("find", "this process's cgroup", cause: "it is in no cgroup2 hierarchy")
    }

    /// Moves this process, with all its threads, into a cgroup2 directory.
    package static func enter(_ path: String) throws(LabError) {
        try SmallFile.write("0", to: "\(path)/cgroup.procs")
    }

    private static func processes(of path: String) throws(LabError) -> [pid_t] {
        try SmallFile.read("\(path)/cgroup.procs").split(separator: "\n").compactMap { pid_t($0) }
    }

    /// Hands processes that are left to the parent. One that just died keeps the cgroup busy for some milliseconds.
    private static func remove(_ path: String, _ parent: String) {
        for _ in 0..<400 {
            if rmdir(path) == 0 || errno == ENOENT { return }
            for pid in (try? processes(of: path)) ?? [] {
                try? SmallFile.write("\(pid)", to: "\(parent)/cgroup.procs")
            }
            usleep(5_000)
        }
    }
}
