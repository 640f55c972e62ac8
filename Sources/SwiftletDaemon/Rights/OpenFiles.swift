import Glibc

/// The limit of open files. Each health check port takes a descriptor, as does each device, map and watch.
enum OpenFiles {
    /// More is of no use.
    private static let most: rlim_t = 1 << 20
    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

    /// How many this process may have open.
    static var limit: Int {
        var limit = rlimit()
        return getrlimit(resource, &limit) == 0 ? Int(min(limit.rlim_cur, most)) : 1024
    }

    /// How many sockets may listen for health checks under a limit, and how many connections they may have together. Maps,
    /// programs, devices, watches, files that are read, and other clients have the rest, 600 of them: 200 are in use while
    /// nothing happens, and without any that is left libdispatch ends the process.
    static func forHealthChecks(of limit: Int) -> (listeners: Int, connections: Int) {
        let free = max(0, limit - 600)
        let connections = min(max(16, free / 8), 16_384)
        return (max(0, free - connections), connections)
    }

    /// Raises the soft limit, which is for programs that use select(2), to the hard one.
    static func allowMany() {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, most))
        setrlimit(resource, &limit)
    }
}
