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

    /// How many sockets may listen for health checks under a limit. Maps, programs, devices, watches, files that are read, and
    /// clients have the rest, which is at least 400; the half of it is in use while nothing happens.
    static func forHealthChecks(of limit: Int) -> Int { max(0, limit - 1_024, (limit - 400) / 2) }

    /// Raises the soft limit, which is for programs that use select(2), to the hard one.
    static func allowMany() {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, most))
        setrlimit(resource, &limit)
    }
}
